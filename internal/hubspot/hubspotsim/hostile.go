package hubspotsim

import "strings"

// hostileShare: one base object in so many carries hostile values.
const hostileShare = 50

// hostileNames are property names that trouble warehouses.
func hostileNames() []string {
	return []string{
		"select", "Select", "SELECT", "table", "order", "drop table contacts; --",
		strings.Repeat("long_name_", 30), "it's \"quoted\"", "emoji_\U0001F680", "1st_touch", "with space",
		"_deleted", "_load", "_stamp", "id", "ID", "_updated_at", "dots.in.name", "umlaut_\u00fc", "back\\slash", "p:x", "k:id",
	}
}

// The values that hostile objects carry, by the property's type.
var (
	hostileText = []string{
		"", "\x00", "nul\x00inside", "\U0001F600\U0001F468\u200D\U0001F469\u200D\U0001F467", "'; DROP TABLE contacts; --",
		"SELECT * FROM \"contacts\"", "line\nbreak\r\nand\ttab", "back\\slash", "\"", "NULL", "null", "\\N", "\\u0000",
		"\u2028\u2029\ufeff", "e\u0301 and \u00e9", " padded ", "{\"json\":[1]}", "a,b;c|d", "\x01\x1f\x7f",
	}
	hostileLong    = []string{strings.Repeat("x", 65_535) + "\u00e9", strings.Repeat("\U0001F680", 16_384)}
	hostileNumbers = []string{
		"", "134376773869;137654776000", "1e3", "0.1", "-0", "+5", "007", "NaN", "Infinity", "1E-400", "9223372036854775808",
		"1,234.5", " 12 ", "0.1000000000000000055511151231257827", strings.Repeat("9", 400), "1." + strings.Repeat("0", 60) + "1", "twelve",
	}
	hostileTimes = []string{
		"", "1704067200000", "2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5Z", "2024-02-29", "2024-02-29T12:00:00.000+02:00",
		"0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "-1", "253402300800000", "2023-02-29T00:00:00Z", "soon",
	}
	hostileBools = []string{"", "Yes", "No", "TRUE", "1", "maybe"}
)

// hostileValue picks a value for a property of the type.
func hostileValue(kind string, h uint64) string {
	list := hostileText
	if h%64 == 0 { // long ones seldom, or they are all there is
		list, h = hostileLong, h/64
	}
	switch kind {
	case "number":
		list = hostileNumbers
	case "datetime", "date":
		list = hostileTimes
	case "bool":
		list = hostileBools
	}
	return list[h%uint64(len(list))]
}
