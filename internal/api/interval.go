package api

import (
	"fmt"
	"strconv"
	"time"

	"penstock"
)

// parseInterval reads an interval: whole minutes, or a Go duration such as 90s
// or 2h.
func parseInterval(text string) (time.Duration, error) {
	every, err := time.ParseDuration(text)
	if minutes, notWhole := strconv.ParseInt(text, 10, 64); notWhole == nil {
		// More minutes than a schedule can have must not overflow into fewer.
		minutes = max(min(minutes, int64(penstock.MaxEvery/time.Minute)+1), -1)
		every, err = time.Duration(minutes)*time.Minute, nil
	}
	remedy := fmt.Sprintf("give whole minutes from 1 to %d, or a duration from %s to %.0fh such as 90s, 15m or 2h",
		int64(penstock.MaxEvery/time.Minute), penstock.MinEvery, penstock.MaxEvery.Hours())
	switch {
	case err != nil:
		return 0, newProblem(badInterval, shorten(text)+" is not an interval", remedy)
	case every <= 0:
		return 0, newProblem(badInterval, shorten(text)+" is not an interval between two times of reading; POST /stop pauses", remedy)
	case every < penstock.MinEvery:
		return 0, newProblem(badInterval, shorten(text)+" is shorter than the shortest interval, "+brief(penstock.MinEvery), remedy)
	case every > penstock.MaxEvery:
		return 0, newProblem(badInterval, shorten(text)+" is longer than the longest interval, 30 days", remedy)
	}
	return every, nil
}

// brief is a duration as answers show it, such as 5m0s.
func brief(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(time.Millisecond)
	}
	return d.String()
}
