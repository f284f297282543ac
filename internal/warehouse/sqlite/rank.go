package sqlite

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
)

// The functions that the reading connections know. What cannot be read, as
// after a change by hand, is NULL: it passes no comparison.
const (
	rankFunction = "_penstock_rank" // of a number however it is kept: a text that sorts as its value
	timeFunction = "_penstock_time" // of a date: days since 1970; of a moment: milliseconds
)

func addFunctions(conn *sqlite.Conn) error {
	scalar := func(of func(sqlite.Value) sqlite.Value) *sqlite.FunctionImpl {
		return &sqlite.FunctionImpl{NArgs: 1, Deterministic: true, Scalar: func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			return of(args[0]), nil
		}}
	}
	return errors.Join(conn.CreateFunction(rankFunction, scalar(rankOf)), conn.CreateFunction(timeFunction, scalar(timeOf)))
}

func rankOf(value sqlite.Value) sqlite.Value {
	text := ""
	switch value.Type() {
	case sqlite.TypeInteger:
		text = strconv.FormatInt(value.Int64(), 10)
	case sqlite.TypeFloat:
		text = strconv.FormatFloat(value.Float(), 'f', -1, 64)
	case sqlite.TypeText:
		text = value.Text()
	}
	if ranked, ok := rank(text); ok {
		return sqlite.TextValue(ranked)
	}
	return sqlite.Value{}
}

// above makes of every place of a point a number of seven digits that begins
// with 1.
const above = 1_500_000

// rank turns a decimal into a text whose bytes sort as the value: the sign, how
// many digits stand before the point, and the digits from the first to the last
// that is not 0. All of it is upside down where the value is below 0.
func rank(decimal string) (string, bool) {
	negative := strings.HasPrefix(decimal, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(decimal, "-"), ".")
	if whole == "" || strings.Trim(whole, "0123456789") != "" || strings.Trim(fraction, "0123456789") != "" {
		return "", false
	}
	whole = strings.TrimLeft(whole, "0")
	point := len(whole)
	if point == 0 {
		significant := strings.TrimLeft(fraction, "0")
		point, fraction = len(significant)-len(fraction), significant
	}
	digits := strings.TrimRight(whole+fraction, "0")
	switch {
	case digits == "":
		return "1", true
	case !negative:
		return strconv.Itoa(above+point) + digits, true
	}
	ranked := []byte(strconv.Itoa(above+point) + digits + "~") // the longer of two is the lesser
	ranked[0] = '0'
	for i, digit := range ranked[1 : len(ranked)-1] {
		ranked[1+i] = '0' + '9' - digit
	}
	return string(ranked), true
}

func timeOf(value sqlite.Value) sqlite.Value {
	if value.Type() != sqlite.TypeText {
		return sqlite.Value{}
	}
	text := value.Text()
	if !strings.HasSuffix(text, "Z") {
		ms, err := parseISO(text + "T00:00:00.000Z")
		if err != nil {
			return sqlite.Value{}
		}
		return sqlite.IntegerValue(ms / (24 * time.Hour).Milliseconds())
	}
	ms, err := parseISO(text)
	if err != nil {
		return sqlite.Value{}
	}
	return sqlite.IntegerValue(ms)
}
