package shape

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour

	firstMoment = -62135596800 * second   // 0001-01-01T00:00:00.000Z
	lastMoment  = 253402300800*second - 1 // 9999-12-31T23:59:59.999Z
)

// parseDate reads a date as days since 1970-01-01. HubSpot sends
// "2006-01-02"; a date also comes as a moment, in either form that
// parseDateTime reads, and is taken if that is a midnight in UTC
// (developers.hubspot.com, properties guide).
func parseDate(text []byte) (days int32, ok bool) {
	if len(text) == len("2006-01-02") && text[4] == '-' {
		n, ok := parseDays(text)
		return int32(n), ok && n*day >= firstMoment
	}
	ms, ok := parseDateTime(text)
	if !ok || ms%day != 0 {
		return 0, false
	}
	return int32(ms / day), true
}

// parseDateTime reads a moment as milliseconds since 1970, in the years 1 to
// 9999: ISO 8601 with seconds, any fraction of them and a zone, or the
// milliseconds themselves. What is finer than a millisecond is cut off.
func parseDateTime(text []byte) (ms int64, ok bool) {
	if len(text) < len("2006-01-02T15:04:05Z") || text[10]|0x20 != 't' {
		ms, ok = parseMillis(text)
	} else {
		ms, ok = parseISO(text)
	}
	return ms, ok && firstMoment <= ms && ms <= lastMoment
}

// parseMillis reads an integer of up to sixteen digits; more are beyond the
// year 9999.
func parseMillis(text []byte) (ms int64, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	if len(text) == 0 || len(text) > 16 {
		return 0, false
	}
	for _, c := range text {
		if !digit(c) {
			return 0, false
		}
		ms = ms*10 + int64(c-'0')
	}
	if negative {
		ms = -ms
	}
	return ms, true
}

func parseISO(text []byte) (ms int64, ok bool) {
	days, ok := parseDays(text[:10])
	h, ok1 := twoDigits(text[11:])
	m, ok2 := twoDigits(text[14:])
	s, ok3 := twoDigits(text[17:])
	ok = ok && ok1 && ok2 && ok3 && text[13] == ':' && text[16] == ':' && h < 24 && m < 60 && s < 60
	if !ok {
		return 0, false
	}
	ms = days*day + h*hour + m*minute + s*second
	rest := text[19:]
	if rest[0] == '.' {
		fraction, after := leadingDigits(rest[1:])
		if len(fraction) == 0 {
			return 0, false
		}
		unit := int64(100)
		for _, c := range fraction[:min(3, len(fraction))] {
			ms += int64(c-'0') * unit
			unit /= 10
		}
		rest = after
	}
	offset, ok := parseZone(rest)
	return ms - offset, ok
}

// parseZone reads "Z", "+02:00" or "+0200" as milliseconds east of UTC.
func parseZone(text []byte) (offset int64, ok bool) {
	if len(text) == 1 && text[0]|0x20 == 'z' {
		return 0, true
	}
	if len(text) == 6 && text[3] == ':' {
		text = append(append(make([]byte, 0, 5), text[:3]...), text[4:]...)
	}
	if len(text) != 5 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	h, ok1 := twoDigits(text[1:])
	m, ok2 := twoDigits(text[3:])
	offset = h*hour + m*minute
	if text[0] == '-' {
		offset = -offset
	}
	return offset, ok1 && ok2 && h < 24 && m < 60
}

// parseDays reads "2006-01-02" as days since 1970-01-01. The year 0 passes
// here, since a zone can bring its last day into the year 1.
func parseDays(text []byte) (days int64, ok bool) {
	century, ok1 := twoDigits(text)
	year, ok2 := twoDigits(text[2:])
	m, ok3 := twoDigits(text[5:])
	d, ok4 := twoDigits(text[8:])
	if !ok1 || !ok2 || !ok3 || !ok4 || text[4] != '-' || text[7] != '-' {
		return 0, false
	}
	year += century * 100
	if m < 1 || m > 12 || d < 1 || d > monthDays(year, m) {
		return 0, false
	}
	return daysSince1970(year, m, d), true
}

func monthDays(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince1970 counts in years that begin in March, so that the leap day is
// a year's last, and begins 400 years early, so that no year is negative.
// 306 days lie between March and the next January, 146,097 in 400 years, and
// 719,468 between 0000-03-01 and 1970-01-01.
func daysSince1970(year, month, dayOfMonth int64) int64 {
	if month < 3 {
		year, month = year-1, month+12
	}
	year += 400
	leaps := year/4 - year/100 + year/400
	return year*365 + leaps + ((month-3)*306+5)/10 + dayOfMonth - 1 - 719468 - 146097
}

// twoDigits reads the two digits that text begins with.
func twoDigits(text []byte) (n int64, ok bool) {
	if !digit(text[0]) || !digit(text[1]) {
		return 0, false
	}
	return int64(text[0]-'0')*10 + int64(text[1]-'0'), true
}
