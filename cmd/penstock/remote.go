package main

import (
	"context"
	"penstock/cmd/internal/wire"
)

type startCmd struct{}

func (startCmd) Run(ctx context.Context, s *wire.Settings, std streams) error { return nil }

type stopCmd struct{}

func (stopCmd) Run(ctx context.Context, s *wire.Settings, std streams) error { return nil }

type statusCmd struct{}

func (statusCmd) Run(ctx context.Context, s *wire.Settings, std streams) error { return nil }

type streamsCmd struct{}

func (streamsCmd) Run(ctx context.Context, s *wire.Settings, std streams) error { return nil }

type rowsCmd struct{}

func (rowsCmd) Run(ctx context.Context, s *wire.Settings, std streams) error { return nil }

type errorsCmd struct{}

func (errorsCmd) Run(ctx context.Context, s *wire.Settings, std streams) error { return nil }

type backfillCmd struct{}

func (backfillCmd) Run(ctx context.Context, s *wire.Settings, std streams) error { return nil }

type doctorCmd struct{}

func (doctorCmd) Run(ctx context.Context, s *wire.Settings, std streams) error { return nil }
func (c *syncCmd) ask(ctx context.Context, s *wire.Settings, std streams, address string) error {
	return nil
}
