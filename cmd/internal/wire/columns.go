package wire

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"penstock"
	"penstock/internal/secret"
)

// checkColumns refuses rules that contradict each other. Whether the properties
// are there is seen by the worker.
func checkColumns(columns map[string]penstock.ColumnRules, history map[string][]string) error {
	for stream, rules := range columns {
		for _, property := range rules.LeaveOut {
			_, renamed := rules.Rename[property]
			if renamed || slices.Contains(rules.Hash, property) {
				return fmt.Errorf("%s.%s is left out, and to be loaded under another name or hashed as well: remove one of them", stream, property)
			}
			if slices.Contains(history[stream], property) {
				return fmt.Errorf("%s.%s is left out, and its history is to be kept: remove one of them", stream, property)
			}
		}
		names := map[string]string{}
		for property, as := range rules.Rename {
			switch {
			case as == "" || as == property || as == "id" || strings.HasPrefix(as, "_"):
				return fmt.Errorf("%s.%s cannot be loaded as %q: give it another name that does not begin with _ and is not id", stream, property, as)
			case names[as] != "":
				return fmt.Errorf("%s.%s and %s.%s would both be loaded as %q: give them two names", stream, names[as], stream, property, as)
			}
			names[as] = property
		}
	}
	return nil
}

// hashes tells whether the settings hash anything.
func (c ConnectionSettings) hashes() bool {
	for _, rules := range c.Columns {
		if len(rules.Hash) > 0 {
			return true
		}
	}
	return false
}

// hashKey is the key of the connection's hashed columns; nil where it has none.
// It comes from the key file: whoever keeps that gets the same hashes again.
func (s *Server) hashKey(c ConnectionSettings, log *slog.Logger) ([]byte, error) {
	if !c.hashes() {
		return nil, nil
	}
	key, err := s.openKey(log)
	if err != nil {
		return nil, err
	}
	return key.Derive("hashed columns of " + c.Name)
}

// openKey opens the installation's key file, or makes it.
func (s *Server) openKey(log *slog.Logger) (*secret.Identity, error) {
	if s.key != nil {
		return s.key, nil
	}
	path := s.settings.keyPath()
	key, made, err := secret.OpenKeyFile(path)
	if made {
		log.Warn("a key was made that opens the secrets in the catalog and hashes columns: keep a copy of it elsewhere", "file", path)
	}
	s.key = key
	return key, err
}
