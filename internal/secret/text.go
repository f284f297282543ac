package secret

import "fmt"

// shown stands for every secret in print.
const shown = "[secret]"

// A Text is a secret in memory. However it is printed, logged or encoded, it
// shows as [secret], also as a field of something else that is.
type Text struct {
	text *string // behind a pointer: fmt cannot ask the methods of unexported fields
}

// NewText takes the secret.
func NewText(text string) Text { return Text{&text} }

// Reveal is the secret itself, for whoever sends or seals it; empty when none
// was given.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// Format prints what stands for the secret, whatever the verb.
func (t Text) Format(to fmt.State, _ rune) { fmt.Fprint(to, shown) }

// MarshalText is what stands for the secret, so that encoders do not look
// further.
func (t Text) MarshalText() ([]byte, error) { return []byte(shown), nil }

// UnmarshalText takes the secret from a flag or a file.
func (t *Text) UnmarshalText(text []byte) error {
	*t = NewText(string(text))
	return nil
}
