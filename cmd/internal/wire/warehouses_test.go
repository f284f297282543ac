package wire

import (
	"os"
	"strings"
	"testing"
)

func TestAWarehouseIsWrittenByOneConnectionHoweverItIsNamed(t *testing.T) {
	for second, refused := range map[string]bool{
		"postgres://b:y@db:5432/w?schema=hubspot": true,
		"postgresql://b@db/w?schema=hubspot":      true,
		"postgres://b:y@db/w":                     false, // hubspot_two
		"postgres://b:y@db/w2?schema=hubspot":     false,
		"sqlite:w.db":                             false,
	} {
		s := settings(t)
		text := `connections: [{name: default, warehouse: "postgres://a:x@db/w"}, {name: two, token_env: T, warehouse: "` + second + `"}]`
		if err := os.WriteFile(s.Config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		connections, err := s.Connections()
		if got := err != nil && strings.Contains(err.Error(), "written twice"); got != refused || !refused && err != nil {
			t.Errorf("%s: %+v, %v", second, connections, err)
		}
		if err != nil && (strings.Contains(err.Error(), ":x@") || strings.Contains(err.Error(), ":y@")) {
			t.Errorf("the error tells a password: %v", err)
		}
	}
}

func TestAConnectionWithANameHasASchemaOfItsOwn(t *testing.T) {
	for _, c := range [][3]string{
		{"default", "postgres://a@db/w", "postgres://a@db/w"},
		{"lab", "postgres://a:p%40@db/w?sslmode=require", "postgres://a:p%40@db/w?schema=hubspot_lab&sslmode=require"},
		{"lab", "postgres://a@db/w?schema=mine", "postgres://a@db/w?schema=mine"},
		{"lab", "sqlite:lab.db", "sqlite:lab.db"},
	} {
		if got := inSchemaOf(c[0], c[1]); got != c[2] {
			t.Errorf("%s of %s is %s, want %s", c[1], c[0], got, c[2])
		}
	}
}
