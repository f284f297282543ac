//go:build !race

package trial_test

// raced tells whether the race detector watches, which makes virtual time slow.
const raced = false
