package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"penstock/internal/secret"
)

func TestATextIsNotPrintedHoweverItIsTried(t *testing.T) {
	const hidden = "pat-na1-00000000"
	text := secret.NewText(hidden)
	if text.Reveal() != hidden {
		t.Fatal("the secret is lost")
	}
	type settings struct {
		Shown secret.Text
		inner secret.Text
		many  []secret.Text
	}
	whole := settings{text, text, []secret.Text{text}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		fmt.Fprintf(&out, verb+"\n", text)
		fmt.Fprintf(&out, verb+"\n", &text)
		fmt.Fprintf(&out, verb+"\n", whole)
		fmt.Fprintf(&out, verb+"\n", &whole)
	}
	fmt.Fprintln(&out, fmt.Errorf("%w: %v", errors.New("failed"), text))
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "secret", text, "whole", whole)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "secret", text, "whole", whole)
	encoded, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	for _, form := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("printed:\n%s", &out)
		}
	}
	if got := fmt.Sprint(text); got != "[secret]" {
		t.Errorf("shown as %q", got)
	}
	if (secret.Text{}).Reveal() != "" {
		t.Error("no secret is one")
	}
}
