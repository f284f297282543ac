package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"penstock/internal/bus"
)

// WorkerSettings are the flags and environment of a worker on its own.
type WorkerSettings struct {
	HubSpotSettings

	NATS     string `name:"nats-url" env:"PENSTOCK_NATS_URL" help:"NATS server with JetStream, where data-streams is" placeholder:"URL"`
	Token    string `name:"hubspot-access-token" env:"HUBSPOT_ACCESS_TOKEN" help:"token to use for the connection named default, instead of the one from data-streams" placeholder:"TOKEN"`
	LogLevel string `name:"log-level" env:"PENSTOCK_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error"`
}

// Logger writes lines for people to w.
func (s WorkerSettings) Logger(w io.Writer) *slog.Logger {
	return Settings{LogLevel: s.LogLevel}.Logger(w)
}

// JoinBus joins the NATS server, waiting for it and saying so.
func JoinBus(ctx context.Context, url string, log *slog.Logger) (*bus.Bus, error) {
	return bus.Open(ctx, bus.Options{URL: url, Log: log})
}

// Main is the main function of a program that reads its settings and runs
// until it is told to end. It exits with 0, with 1 for what failed, or with 2
// for a mistake in how it was called.
func Main(name, description string, settings any, run func(ctx context.Context) error) {
	os.Exit(start(name, description, settings, run))
}

func start(name, description string, settings any, run func(ctx context.Context) error) int {
	LimitMemory()
	parser, err := kong.New(settings, kong.Name(name), kong.Description(description))
	if err != nil {
		return Report(os.Stderr, name, err)
	}
	if _, err := parser.Parse(os.Args[1:]); err != nil {
		return Report(os.Stderr, name, Usage("%v; `%s --help` tells what there is", err, name))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return Report(os.Stderr, name, err)
}

// Report prints an error as one sentence and returns the exit status.
func Report(w io.Writer, name string, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(w, "%s: %v\n", name, err)
	var usage *UsageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}
