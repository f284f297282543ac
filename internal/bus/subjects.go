package bus

import (
	"fmt"

	"penstock"
)

// The subjects. A batch's is batchSubject.
const (
	subjectAnnounce = "penstock.announce"
	subjectLook     = "penstock.look"
	subjectBeat     = "penstock.beat"
	subjectDiscover = "penstock.discover"
	subjectGrant    = "penstock.grant"
	subjectEnd      = "penstock.end"
	subjectsAsk     = "penstock.ask.*"
)

// The headers.
const (
	headerCodec      = "Penstock-Codec"
	headerConnection = "Penstock-Connection"
	headerStream     = "Penstock-Stream"
	headerLane       = "Penstock-Lane"
	headerGrant      = "Penstock-Grant"
	headerRange      = "Penstock-Range"
	headerSeq        = "Penstock-Seq"
	headerPart       = "Penstock-Part"
	headerSum        = "Penstock-Sum"
	headerError      = "Penstock-Error"
)

const longestName = 40

func batchSubject(connection string, lane penstock.Lane) string {
	return "penstock.batch." + connection + "." + string(lane)
}

// askSubject addresses the workers of a connection.
func askSubject(connection string) string { return "penstock.ask." + connection }

func batchSubjects(connection string) string { return "penstock.batch." + connection + ".*" }

// natsStream names the NATS stream that holds a connection's batches.
func natsStream(connection string) string { return "PENSTOCK_" + connection }

// checkName keeps what would be more than one word of a subject off the bus.
func checkName(name string) error {
	if name == "" || len(name) > longestName {
		return fmt.Errorf("%w: %q must have 1 to %d characters", ErrName, name, longestName)
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return fmt.Errorf("%w: %q may hold a-z, 0-9, _ and - only", ErrName, name)
		}
	}
	return nil
}
