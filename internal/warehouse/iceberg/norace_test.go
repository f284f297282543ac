//go:build !race

package iceberg

const raceDetector = false
