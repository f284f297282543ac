package wire

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestColumnRulesAreReadAndContradictionsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{contacts: {hash: [email], leave_out: [phone], rename: {email: mail, city: town}}}": "",
		"{contacts: {hash: [phone], leave_out: [phone]}}":                                    "contacts.phone is left out",
		"{contacts: {rename: {phone: tel}, leave_out: [phone]}}":                             "contacts.phone is left out",
		"{deals: {leave_out: [dealstage]}}":                                                  "its history is to be kept",
		"{contacts: {rename: {city: _load}}}":                                                "give it another name",
		"{contacts: {rename: {city: place, town: place}}}":                                   "give them two names",
		"{contacts: {drop: [phone]}}":                                                        "field drop not found",
	} {
		s := settings(t)
		if err := os.WriteFile(s.Config, []byte("connections: [{name: default, history: [deals.dealstage], columns: "+text+"}]"), 0o600); err != nil {
			t.Fatal(err)
		}
		connections, err := s.Connections()
		switch {
		case want == "" && (err != nil || connections[0].Columns["contacts"].Rename["city"] != "town" || !connections[0].hashes()):
			t.Errorf("%s: %v, %+v", text, err, connections)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestOnlyWhoHashesGetsAKeyAndItStays(t *testing.T) {
	s := settings(t)
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	columns := "connections: [{name: a, token_env: T}, {name: b, token_env: T, columns: {contacts: {hash: [email]}}}, {name: c, token_env: T, columns: {contacts: {hash: [email]}}}]"
	if err := os.WriteFile(s.Config, []byte(columns), 0o600); err != nil {
		t.Fatal(err)
	}
	connections, err := s.Connections()
	if err != nil {
		t.Fatal(err)
	}
	keysOf := func() (keys [][]byte) {
		server := &Server{settings: s}
		for _, c := range connections {
			key, err := server.hashKey(c, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
		return keys
	}
	if _, err := (&Server{settings: s}).hashKey(connections[0], nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.DataDir, keyFile)); !os.IsNotExist(err) {
		t.Errorf("a key was made for who needs none: %v", err)
	}
	first, again := keysOf(), keysOf()
	if first[0] != nil || len(first[1]) != 32 || bytes.Equal(first[1], first[2]) || !bytes.Equal(first[1], again[1]) {
		t.Error("the keys are not one for each connection that hashes, the same after a restart")
	}
}
