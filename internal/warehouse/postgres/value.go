package postgres

import (
	bin "encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// PostgreSQL's own numbers of its types (pg_type.dat).
const (
	oidBool        = 16
	oidInt8        = 20
	oidText        = 25
	oidDate        = 1082
	oidTimestamptz = 1184
	oidNumeric     = 1700
	oidTextArray   = 1009
	oidInt8Array   = 1016
)

const (
	plain  = int16(0)
	binary = int16(1)
)

// The epoch of PostgreSQL's dates and moments is 2000-01-01.
const (
	epochDays   = 10957
	epochMillis = int64(epochDays) * 86_400_000
)

// The bounds of timestamptz and date (datatype/timestamp.h), whose largest and
// smallest values stand for infinity.
const (
	firstMicros = int64(-211813488000000000)
	lastMicros  = int64(9223371331200000000) - 1
	firstMoment = -210866803200000 // firstMicros in ms since 1970
	lastMoment  = lastMicros/1000 + epochMillis
	firstDay    = int32(-2440588) // 4714-11-24 BC, since 1970
	lastDay     = int32(2145031949+epochDays) - 1
)

// A moment is ms since 1970, a day days, a decimal a number's text.
type (
	moment  int64
	day     int32
	decimal string
)

// micros is the moment as timestamptz holds it.
func (m moment) micros() int64 { return (clamp(int64(m)) - epochMillis) * 1000 }

// clamp brings a moment into timestamptz's bounds.
func clamp(ms int64) int64 { return min(max(ms, firstMoment), lastMoment) }

// encodeArgs are a statement's arguments with their types.
func encodeArgs(args []any) (values [][]byte, oids []uint32, formats []int16) {
	values, oids, formats = make([][]byte, len(args)), make([]uint32, len(args)), make([]int16, len(args))
	for i, arg := range args {
		formats[i] = binary
		switch v := arg.(type) {
		case nil:
		case string:
			values[i], oids[i], formats[i] = []byte(v), oidText, plain
		case decimal:
			values[i], oids[i], formats[i] = []byte(v), oidNumeric, plain
		case int:
			values[i], oids[i] = bin.BigEndian.AppendUint64(nil, uint64(v)), oidInt8
		case int64:
			values[i], oids[i] = bin.BigEndian.AppendUint64(nil, uint64(v)), oidInt8
		case bool:
			values[i], oids[i] = appendBool(nil, v), oidBool
		case moment:
			values[i], oids[i] = bin.BigEndian.AppendUint64(nil, uint64(v.micros())), oidTimestamptz
		case day:
			values[i], oids[i] = bin.BigEndian.AppendUint32(nil, uint32(int32(v)-epochDays)), oidDate
		case []int64:
			values[i], oids[i] = int8Array(v), oidInt8Array
		case []string:
			values[i], oids[i] = textArray(v), oidTextArray
		default:
			panic(fmt.Sprintf("no statement takes a %T", v))
		}
	}
	return values, oids, formats
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// arrayHead begins an array of one dimension without NULLs.
func arrayHead(kind, n int) []byte {
	dims := 1
	if n == 0 {
		dims = 0
	}
	dst := bin.BigEndian.AppendUint32(nil, uint32(dims))
	dst = bin.BigEndian.AppendUint32(dst, 0)
	dst = bin.BigEndian.AppendUint32(dst, uint32(kind))
	if n == 0 {
		return dst
	}
	dst = bin.BigEndian.AppendUint32(dst, uint32(n))
	return bin.BigEndian.AppendUint32(dst, 1)
}

func int8Array(values []int64) []byte {
	dst := arrayHead(oidInt8, len(values))
	for _, v := range values {
		dst = bin.BigEndian.AppendUint32(dst, 8)
		dst = bin.BigEndian.AppendUint64(dst, uint64(v))
	}
	return dst
}

func textArray(values []string) []byte {
	dst := arrayHead(oidText, len(values))
	for _, v := range values {
		dst = bin.BigEndian.AppendUint32(dst, uint32(len(v)))
		dst = append(dst, v...)
	}
	return dst
}

// A row is one of the server's, each column in its binary form; nil is NULL.
type row [][]byte

// text is a text; empty for NULL.
func (r row) text(i int) string { return string(r[i]) }

// int is a bigint; 0 for NULL.
func (r row) int(i int) int64 {
	if len(r[i]) != 8 {
		return 0
	}
	return int64(bin.BigEndian.Uint64(r[i]))
}

func (r row) bool(i int) bool { return len(r[i]) == 1 && r[i][0] == 1 }

// moment is a timestamptz in ms since 1970, 0 for NULL; not whole where it is
// infinite or finer than that, as none is that Penstock wrote.
func (r row) moment(i int) (ms int64, whole bool) {
	if len(r[i]) != 8 {
		return 0, true
	}
	micros := int64(bin.BigEndian.Uint64(r[i]))
	if micros == math.MaxInt64 || micros == math.MinInt64 || micros%1000 != 0 {
		return 0, false
	}
	return micros/1000 + epochMillis, true
}

// strangeMoment is the text of a timestamptz that Penstock did not write.
func strangeMoment(micros int64) string {
	switch micros {
	case math.MaxInt64:
		return "infinity"
	case math.MinInt64:
		return "-infinity"
	}
	return time.UnixMicro(micros + epochMillis*1000).UTC().Format("2006-01-02T15:04:05.000000Z")
}

// visible writes out what PostgreSQL holds in no text: NUL characters, and
// bytes that are not UTF-8.
func visible(text string) string {
	if strings.IndexByte(text, 0) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == 0:
			b.WriteString(`\u0000`)
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
