package secret_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/secret"
)

func TestAKeyFileIsMadeOnceAndOpensAfterARestartWhatWasSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	key, made, err := secret.OpenKeyFile(path)
	if err != nil || !made {
		t.Fatalf("made: %v, %v", made, err)
	}
	sealed, err := secret.Seal(key.PublicKey(), "na1-refresh")
	if err != nil {
		t.Fatal(err)
	}
	again, made, err := secret.OpenKeyFile(path)
	if err != nil || made {
		t.Fatalf("made again: %v, %v", made, err)
	}
	if got, err := again.Open(sealed); got != "na1-refresh" || err != nil {
		t.Errorf("opened %q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("beside the key lies %v, %v", left, err)
	}
}

func TestAKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, _, err := secret.OpenKeyFile(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := secret.OpenKeyFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := secret.OpenKeyFile(path); err != nil {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func TestAKeyFileWithoutAKeyIsRefusedAndLeftAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, text := range []string{"", "# nothing\n", "AGE-SECRET-KEY-1WRONG\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := secret.OpenKeyFile(path)
		if err == nil || !strings.Contains(err.Error(), "restore it") || strings.Contains(err.Error(), "WRONG") {
			t.Errorf("%q: %v", text, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			t.Errorf("%q became %q, %v", text, now, err)
		}
	}
}
