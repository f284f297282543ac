package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"penstock/internal/datastreams"
)

// How often progress is shown: on a terminal in place, else as lines.
const (
	redrawEvery = 200 * time.Millisecond
	lineEvery   = 2 * time.Second
	barWidth    = 30
)

// overview is what progress is read from.
type overview interface {
	Connections() []datastreams.ConnectionStatus
	Streams(ctx context.Context, connection string) ([]datastreams.StreamStatus, error)
}

// watch shows the first load until it is complete, and then only trouble.
// after says what happens once it is; empty when the caller says it.
func watch(ctx context.Context, std streams, service overview, after string) error {
	s := screen{out: std.out}
	if f, ok := std.out.(*os.File); ok {
		s.terminal = term.IsTerminal(int(f.Fd()))
	}
	every := lineEvery
	if s.terminal {
		every = redrawEvery
	}
	began := time.Now()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	loaded, said := map[string]bool{}, map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		var loading []datastreams.StreamStatus
		for _, c := range service.Connections() {
			if c.Message != "" && c.State != "up to date" && c.Message != said[c.Name] {
				said[c.Name] = c.Message
				s.line(fmt.Sprintf("%s: %s: %s", c.Name, c.State, c.Message))
			}
			if loaded[c.Name] {
				continue
			}
			streams, err := service.Streams(ctx, c.Name)
			if err != nil {
				continue // the state above says so
			}
			loading = append(loading, streams...)
			if loaded[c.Name] = c.State == "up to date" && c.Account != 0; loaded[c.Name] && after != "" {
				s.line(fmt.Sprintf("%s: all streams are loaded, %s rows, %s after the start. %s",
					c.Name, thousands(rowsOf(streams)), time.Since(began).Round(100*time.Millisecond), after))
			}
		}
		s.show(loading)
	}
}

func rowsOf(streams []datastreams.StreamStatus) int64 {
	n := int64(0)
	for _, s := range streams {
		n += s.Rows
	}
	return n
}

// screen draws bars in place on a terminal, and lines elsewhere.
type screen struct {
	out      io.Writer
	terminal bool
	drawn    int
	shown    map[string]string
}

// line prints a line that stays.
func (s *screen) line(text string) {
	s.clear()
	fmt.Fprintln(s.out, text)
}

func (s *screen) clear() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// show draws the streams that are being loaded for the first time.
func (s *screen) show(streams []datastreams.StreamStatus) {
	if s.shown == nil {
		s.shown = map[string]string{}
	}
	s.clear()
	for _, st := range streams {
		if st.State != "first load" {
			continue
		}
		text := fmt.Sprintf("%-24s %s", st.Stream, amount(st))
		if s.terminal {
			fmt.Fprintln(s.out, bar(st)+" "+text)
			s.drawn++
		} else if s.shown[st.Stream] != text && st.Rows+st.Total > 0 {
			s.shown[st.Stream] = text
			fmt.Fprintln(s.out, text)
		}
	}
}

func amount(st datastreams.StreamStatus) string {
	if st.Total == 0 {
		return thousands(st.Rows) + " rows"
	}
	return fmt.Sprintf("%s of %s rows", thousands(st.Rows), thousands(st.Total))
}

func bar(st datastreams.StreamStatus) string {
	full := 0
	if st.Total > 0 {
		full = int(min(barWidth, barWidth*st.Rows/st.Total))
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
