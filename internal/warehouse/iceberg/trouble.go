package iceberg

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"penstock/internal/warehouse"
)

// A trouble is an error of the lake's: not the fault of what is loaded.
type trouble struct{ error }

func (t trouble) Unwrap() error { return t.error }

func troubled(err error) error {
	if err == nil {
		return nil
	}
	return trouble{err}
}

// blame says of an error that is the batch's own fault that it is. The lake's
// errors, the context's, and SQLite's word on the index are about the
// warehouse.
func blame(err error) error {
	var t trouble
	switch {
	case errors.As(err, &t), errors.Is(err, warehouse.ErrReplaced), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	if sqlite.ErrCode(err).ToPrimary() != sqlite.ResultError {
		return err
	}
	return fmt.Errorf("%w: %w", warehouse.ErrBatch, err)
}

// damaged tells whether an index cannot be used any more.
func damaged(err error) bool {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return true
	}
	return false
}

// explain prefers the context's error to the interrupt that it caused.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// A watched lake marks its errors as trouble.
type watched struct{ lake }

func (w watched) read(ctx context.Context, name string) ([]byte, error) {
	content, err := w.lake.read(ctx, name)
	return content, troubled(err)
}

func (w watched) create(ctx context.Context, name string, content []byte) error {
	return troubled(w.lake.create(ctx, name, content))
}

func (w watched) add(ctx context.Context, name string, content []byte) error {
	return troubled(w.lake.add(ctx, name, content))
}

func (w watched) write(ctx context.Context, name string, content []byte) error {
	return troubled(w.lake.write(ctx, name, content))
}

func (w watched) exists(ctx context.Context, name string) (bool, error) {
	there, err := w.lake.exists(ctx, name)
	return there, troubled(err)
}

func (w watched) open(ctx context.Context, name string) (blob, error) {
	b, err := w.lake.open(ctx, name)
	return b, troubled(err)
}

func (w watched) list(ctx context.Context, folder string) ([]object, error) {
	files, err := w.lake.list(ctx, folder)
	return files, troubled(err)
}

func (w watched) remove(ctx context.Context, name string) error {
	return troubled(w.lake.remove(ctx, name))
}
