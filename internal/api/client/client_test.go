package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"penstock/internal/api/client"
)

func TestThatNobodyAnswersIsSaidWithWhatToDo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = client.New(address, "").Status(t.Context())
	if !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "penstock up") {
		t.Errorf("%v", err)
	}
}

func TestACallerThatGivesUpIsNotToldThatNobodyAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.New("http://127.0.0.1:1", "").Stop(ctx, "default")
	if !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

func TestAnAddressThatIsNoneIsSaid(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:8080", "://", "http://[", "ftp://127.0.0.1"} {
		if _, err := client.New(address, "").Start(t.Context(), "default", time.Minute); err == nil || !strings.Contains(err.Error(), "address") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestAnotherServerIsNotTakenForAPenstock(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"a page":          func(w http.ResponseWriter) { fmt.Fprint(w, "<html>hello</html>") },
		"another's error": func(w http.ResponseWriter) { http.Error(w, "no such page", http.StatusNotFound) },
		"another's JSON":  func(w http.ResponseWriter) { w.WriteHeader(500); fmt.Fprint(w, `{"message":"no"}`) },
		"half an answer":  func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); fmt.Fprint(w, `{"items":[`) },
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		_, err := client.New(server.URL, "").Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), server.URL) || errors.Is(err, client.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}
