package bus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"penstock"
)

// A label says which batch a message belongs to. It travels in the headers,
// so that a batch that cannot be read still names the run it breaks.
type label struct {
	connection string
	stream     string
	lane       penstock.Lane
	grant      string
	first      int64 // of the range
	seq        uint64
}

func labelOf(batch *penstock.Batch) label {
	return label{
		connection: batch.Connection, stream: batch.Stream.Name, lane: batch.Lane,
		grant: batch.Grant, first: batch.Range, seq: batch.Seq,
	}
}

// messages cuts a payload into the messages of a batch.
func messages(l label, payload []byte, sum string) []*nats.Msg {
	count := (len(payload) + partBytes - 1) / partBytes
	out := make([]*nats.Msg, count)
	for i := range out {
		msg := nats.NewMsg(batchSubject(l.connection, l.lane))
		msg.Data = payload[i*partBytes : min((i+1)*partBytes, len(payload))]
		for name, value := range map[string]string{
			headerCodec:      batchCodec,
			headerConnection: l.connection,
			headerStream:     l.stream,
			headerLane:       string(l.lane),
			headerGrant:      l.grant,
			headerRange:      strconv.FormatInt(l.first, 10),
			headerSeq:        strconv.FormatUint(l.seq, 10),
			headerPart:       fmt.Sprintf("%d/%d", i+1, count),
			headerSum:        sum,
		} {
			msg.Header.Set(name, value)
		}
		out[i] = msg
	}
	return out
}

// A part is one message of a batch as it arrived.
type part struct {
	label
	sum    string
	index  int // from 0
	count  int
	data   []byte
	place  uint64       // in the NATS stream
	forget func() error // its ack
}

// readPart reads a message's headers. On an error the part holds what could
// be read.
func readPart(h nats.Header, data []byte) (part, error) {
	p := part{
		label: label{
			connection: h.Get(headerConnection), stream: h.Get(headerStream),
			lane: penstock.Lane(h.Get(headerLane)), grant: h.Get(headerGrant),
		},
		sum: h.Get(headerSum), data: data, count: 1,
	}
	if codec := h.Get(headerCodec); codec != batchCodec {
		return p, fmt.Errorf("%w: %q", errCodec, codec)
	}
	var err error
	if p.first, err = strconv.ParseInt(h.Get(headerRange), 10, 64); err != nil {
		return p, fmt.Errorf("read %s: %w", headerRange, err)
	}
	if p.seq, err = strconv.ParseUint(h.Get(headerSeq), 10, 64); err != nil {
		return p, fmt.Errorf("read %s: %w", headerSeq, err)
	}
	index, count, _ := strings.Cut(h.Get(headerPart), "/")
	i, ierr := strconv.Atoi(index)
	n, nerr := strconv.Atoi(count)
	if ierr != nil || nerr != nil || i < 1 || i > n || n > maxParts {
		return p, fmt.Errorf("read %s: %q is not a part", headerPart, h.Get(headerPart))
	}
	p.index, p.count = i-1, n
	return p, nil
}
