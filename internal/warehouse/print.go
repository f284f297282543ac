package warehouse

import (
	"math"
	"math/bits"
)

// A Print is the fingerprint of a row: the sum of one hash for each of its
// columns that is not NULL, so that adding a column changes no row's print and
// one column's value can be exchanged for another. It covers the key, the
// properties and our own columns but _synced_at and _load. It tells of
// mistakes, not of an attacker: anybody can compute one.
type Print uint64

// A Seed begins the hashes of one column's values, so that the same value
// counts differently in each.
type Seed uint64

// Odd numbers without a pattern: the first digits of the fractions of the
// square roots of 2, 3, 5, 7 and 11.
const (
	rootOf2  = 0x6a09e667f3bcc909
	rootOf3  = 0xbb67ae8584caa73b
	rootOf5  = 0x3c6ef372fe94f82b
	rootOf7  = 0xa54ff53a5f1d36f1
	rootOf11 = 0x510e527fade682d1
)

// SeedOf is the seed of the column of that name.
func SeedOf(column string) Seed { return Seed(Seed(rootOf2).Text(column)) }

// Text is the hash of a text.
func (s Seed) Text(v string) Print {
	h := mix(uint64(s)^uint64(len(v)), rootOf3)
	for ; len(v) >= 8; v = v[8:] {
		h = mix(h^eight(v), rootOf5)
	}
	for i := range len(v) {
		h ^= uint64(v[i]) << (8 * i)
	}
	return Print(mix(h, rootOf7))
}

// Integer is the hash of a whole number; of a truth, 0 or 1.
func (s Seed) Integer(v int64) Print { return s.word(rootOf5, uint64(v)) }

// Real is the hash of a float.
func (s Seed) Real(v float64) Print { return s.word(rootOf11, math.Float64bits(v)) }

// Strange is the hash of what Penstock never writes.
func (s Seed) Strange() Print { return s.word(rootOf7, 0) }

// word keeps the kinds of values apart: 1 and 1.0 are two.
func (s Seed) word(kind, v uint64) Print {
	return Print(mix(mix(uint64(s)^kind, rootOf3)^v, rootOf7))
}

// mix folds the product of two words. A plain FNV would do for one value, but
// in a sum two small changes of its results cancel too easily.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

func eight(v string) uint64 {
	return uint64(v[0]) | uint64(v[1])<<8 | uint64(v[2])<<16 | uint64(v[3])<<24 |
		uint64(v[4])<<32 | uint64(v[5])<<40 | uint64(v[6])<<48 | uint64(v[7])<<56
}
