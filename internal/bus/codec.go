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

func writeBody(body *bytes.Buffer, batch *penstock.Batch) error {
	head, err := json.Marshal(batch)
	if err != nil {
		return fmt.Errorf("encode the batch: %w", err)
	}
	body.Write(binary.AppendUvarint(nil, uint64(len(head))))
	body.Write(head)
	if len(batch.Rows) == 0 {
		return nil
	}
	w := ipc.NewWriter(body, ipc.WithSchema(batch.Rows[0].Schema()))
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
	batch = &penstock.Batch{}
	if err := json.Unmarshal(body[n:n+int(size)], batch); err != nil {
		return nil, fmt.Errorf("decode the batch: %w", err)
	}
	if err := readRows(body[n+int(size):], batch); err != nil {
		batch.Release()
		return nil, fmt.Errorf("decode the rows: %w", err)
	}
	return batch, nil
}

// readRows appends the records of an IPC stream to the batch. The reader
// copies them out of stream. Arrow's reader panics on some malformed input.
func readRows(stream []byte, batch *penstock.Batch) (err error) {
	if len(stream) == 0 {
		return nil
	}
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("malformed: %v", recovered)
		}
	}()
	messages := ipc.NewMessageReader(bytes.NewReader(stream),
		ipc.WithBodySizeLimit(maxBody), ipc.WithMetadataSizeLimit(maxMetadata))
	r, err := ipc.NewReaderFromMessageReader(messages)
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		record := r.RecordBatch()
		record.Retain()
		batch.Rows = append(batch.Rows, record)
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
