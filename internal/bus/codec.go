package bus

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/klauspost/compress/zstd"

	"penstock"
)

const (
	batchCodec     = "ipc+zstd;v=1"
	payloadVersion = 1
	partBytes      = 480 << 10
	// A row of the largest size and what travels beside it.
	maxBody = penstock.MaxRowBytes + 8<<20
	// The schema of a table with thousands of columns stays far below.
	maxMetadata = 16 << 20
)

// The ways a payload can be unreadable.
var (
	errSum       = errors.New("checksum differs: the batch was damaged on its way")
	errVersion   = errors.New("unknown payload version: data-streams is older than the worker")
	errCodec     = errors.New("unknown codec: data-streams is older than the worker")
	errHead      = errors.New("the batch's head is damaged")
	errTruncated = errors.New("a part of the batch is missing")
)

// codec turns batches into payloads and back. Its encoders and buffers are
// used again; it may be used from any goroutine.
type codec struct {
	encoders sync.Pool // *zstd.Encoder
	bodies   sync.Pool // *bytes.Buffer
	plains   sync.Pool // *[]byte
	decoder  *zstd.Decoder
	sums     *crc32.Table
}

func newCodec() (*codec, error) {
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBody), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("prepare the decompressor: %w", err)
	}
	return &codec{decoder: decoder, sums: crc32.MakeTable(crc32.Castagnoli)}, nil
}

// encode makes the payload of a batch: a version byte, then, compressed, the
// batch without its rows and the rows as an Arrow IPC stream.
func (c *codec) encode(batch *penstock.Batch) ([]byte, error) {
	body := c.body()
	defer c.bodies.Put(body)
	if err := writeBody(body, batch); err != nil {
		return nil, err
	}
	if body.Len() > maxBody {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, body.Len(), maxBody)
	}
	return c.compress([]byte{payloadVersion}, body.Bytes())
}

// wire is the head of a payload: the batch without its rows, and the columns
// that the rows have.
type wire struct {
	*penstock.Batch
	Columns []penstock.Column `json:"columns,omitempty"`
}

// writeBody writes the head and then the records as an Arrow IPC stream
// without its schema, which the reader makes from the head: Arrow's reader
// takes the size of a schema that it is sent on trust.
func writeBody(body *bytes.Buffer, batch *penstock.Batch) error {
	head := wire{Batch: batch}
	if len(batch.Rows) > 0 {
		head.Columns = penstock.ColumnsOf(batch.Rows[0].Schema(), len(batch.Stream.Key()))
	}
	text, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encode the batch: %w", err)
	}
	body.Write(binary.AppendUvarint(nil, uint64(len(text))))
	body.Write(text)
	if len(batch.Rows) == 0 {
		return nil
	}
	out := &withoutSchema{to: body}
	w := ipc.NewWriter(out, ipc.WithSchema(batch.Rows[0].Schema()))
	for _, record := range batch.Rows {
		if err := w.Write(record); err != nil {
			return errors.Join(fmt.Errorf("encode the rows: %w", err), w.Close())
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("encode the rows: %w", err)
	}
	return nil
}

// withoutSchema passes an IPC stream on but for its first message: a mark and
// a length of four bytes each, and that many bytes (arrow.apache.org, columnar
// format, "encapsulated message format"). A schema has no body.
type withoutSchema struct {
	to   io.Writer
	mark []byte // the mark and length, as far as they came
	left int    // bytes of the message that are still to come
}

func (w *withoutSchema) Write(p []byte) (int, error) {
	taken := 0
	for len(w.mark) < 8 && taken < len(p) {
		w.mark = append(w.mark, p[taken])
		if taken++; len(w.mark) == 8 {
			w.left = int(binary.LittleEndian.Uint32(w.mark[4:]))
		}
	}
	skip := min(w.left, len(p)-taken)
	w.left -= skip
	taken += skip
	n, err := w.to.Write(p[taken:])
	return taken + n, err
}

// schemaMessage is the message that withoutSchema drops.
func schemaMessage(schema *arrow.Schema) ([]byte, error) {
	var stream bytes.Buffer
	w := ipc.NewWriter(&stream, ipc.WithSchema(schema))
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode the schema: %w", err)
	}
	message := stream.Bytes()
	return message[:8+binary.LittleEndian.Uint32(message[4:])], nil
}

// decode reads a payload whose checksum is sum. The rows stay valid until
// the batch is released.
func (c *codec) decode(payload []byte, sum string) (batch *penstock.Batch, err error) {
	if c.sum(payload) != sum {
		return nil, errSum
	}
	if len(payload) == 0 || payload[0] != payloadVersion {
		return nil, errVersion
	}
	held, ok := c.plains.Get().(*[]byte)
	if !ok {
		held = new([]byte)
	}
	defer c.plains.Put(held)
	body, err := c.decompress((*held)[:0], payload[1:])
	if err != nil {
		return nil, err
	}
	*held = body
	size, n := binary.Uvarint(body)
	if n <= 0 || size > uint64(len(body)-n) {
		return nil, errors.New("the batch's head is cut off")
	}
	head := wire{Batch: &penstock.Batch{}}
	if err := json.Unmarshal(body[n:n+int(size)], &head); err != nil || head.Batch == nil {
		return nil, fmt.Errorf("decode the batch: %w", errors.Join(errHead, err))
	}
	if err := readRows(body[n+int(size):], head); err != nil {
		head.Release()
		return nil, fmt.Errorf("decode the rows: %w", err)
	}
	return head.Batch, nil
}

// readRows appends the records to the batch. The reader copies them out of
// stream. Arrow's reader panics on some malformed input.
func readRows(stream []byte, head wire) (err error) {
	if len(stream) == 0 {
		return nil
	}
	for _, c := range head.Columns {
		if c.Type.Arrow() == nil {
			return fmt.Errorf("column %q has the unknown type %q: data-streams is older than the worker", c.Property, c.Type)
		}
	}
	schema, err := schemaMessage(penstock.Table{Stream: head.Stream, Columns: head.Columns}.Schema())
	if err != nil {
		return err
	}
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("malformed: %v", recovered)
		}
	}()
	messages := ipc.NewMessageReader(io.MultiReader(bytes.NewReader(schema), bytes.NewReader(stream)),
		ipc.WithBodySizeLimit(maxBody), ipc.WithMetadataSizeLimit(maxMetadata))
	r, err := ipc.NewReaderFromMessageReader(messages)
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		record := r.RecordBatch()
		record.Retain()
		head.Rows = append(head.Rows, record)
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// sum is the checksum of a payload as its header holds it.
func (c *codec) sum(payload []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(payload, c.sums))
}

// compress appends data, compressed, to dst.
func (c *codec) compress(dst, data []byte) ([]byte, error) {
	encoder, ok := c.encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, fmt.Errorf("prepare the compressor: %w", err)
		}
	}
	defer c.encoders.Put(encoder)
	return encoder.EncodeAll(data, dst), nil
}

// decompress appends data, decompressed, to dst.
func (c *codec) decompress(dst, data []byte) ([]byte, error) {
	plain, err := c.decoder.DecodeAll(data, dst)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return plain, nil
}

func (c *codec) body() *bytes.Buffer {
	body, ok := c.bodies.Get().(*bytes.Buffer)
	if !ok {
		return new(bytes.Buffer)
	}
	body.Reset()
	return body
}
