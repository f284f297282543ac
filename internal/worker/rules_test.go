package worker_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"penstock"
	"penstock/internal/shape"
)

const hashKey = "the key of a connection"

// ruled is an account of contacts, and of their history, read under rules.
// What the worker sends is kept as text.
func ruled(t *testing.T, rules penstock.ColumnRules, test func(w *world, sent *strings.Builder)) {
	sent := &strings.Builder{}
	bubble(t, small(150), func(w *world) {
		w.set(func(d *desk) {
			d.streams = append(d.streams, past())
			d.conn.Columns = map[string]penstock.ColumnRules{"contacts": rules}
			d.reply.HashKey = []byte(hashKey)
			d.spy = func(b *penstock.Batch) {
				for _, rows := range b.Rows {
					fmt.Fprintln(sent, rows)
				}
				fmt.Fprintf(sent, "%+v\n", *b)
			}
		})
	}, func(w *world) { test(w, sent) })
}

func TestWhatIsConcealedNeverLeavesTheWorker(t *testing.T) {
	rules := penstock.ColumnRules{
		LeaveOut: []string{"lastname"}, Hash: []string{"email", "firstname"}, Rename: map[string]string{"email": "mail", "city": "town"},
	}
	ruled(t, rules, func(w *world, sent *strings.Builder) {
		ids := w.ids()
		w.try(w.account.Update("contacts", ids[0], map[string]string{"email": "  Secret@Example.com ", "lastname": "Secret", "city": "Bonn"}))
		w.try(w.account.Update("contacts", ids[1], map[string]string{"email": ""}))
		spoil := true
		w.wire.bends(func(req *http.Request) *http.Response { // a value that is no Unicode, and an object without an id
			if !spoil || !strings.Contains(req.URL.RequestURI(), "/0-1?") {
				return nil
			}
			req.Header.Del("Accept-Encoding")
			resp, err := w.wire.next.RoundTrip(req)
			w.try(err)
			body, err := io.ReadAll(resp.Body)
			w.try(err)
			text := strings.Replace(string(body), fmt.Sprintf("contact-%06d@", 5), "secret-\xff@", 1)
			text = strings.Replace(text, fmt.Sprintf(`"id":"%d"`, ids[3]), `"id":"none"`, 1)
			spoil = text == string(body)
			return answer(req, http.StatusOK, text)
		})
		w.done(penstock.Backfill)
		w.ends(w.sweeps(past(), true, ids...), penstock.Done)
		w.done(penstock.Sweep)
		if spoil {
			t.Error("nothing was spoiled")
		}
		a, ok := w.ask(penstock.Question{
			Connection: "default", Stream: contacts(), For: penstock.ForExplain,
			Read: &penstock.Read{ID: ids[0], Properties: []string{"mail", "town", "firstname", "lastname", "email"}},
		})
		reading := a.Reading
		if !ok || reading == nil {
			t.Fatalf("the question was answered by %+v", a)
		}
		if want := map[string]string{
			"mail": shape.Hash([]byte(hashKey), "secret@example.com"), "town": "Bonn", "firstname": reading.Values["firstname"],
		}; fmt.Sprint(reading.Values) != fmt.Sprint(want) || !strings.HasPrefix(want["firstname"], "h1:") ||
			!slices.Equal(reading.Left, []string{"lastname", "email"}) {
			t.Errorf("the answer to a question holds %v and leaves %v, not %v", reading.Values, reading.Left, want)
		}
		row := w.table("contacts", "id", "mail", "town")[0]
		if want := fmt.Sprint(ids[0], " ", reading.Values["mail"], " Bonn"); row != want {
			t.Errorf("the row is %q, not %q", row, want)
		}
		if row := w.table("contacts", "id", "mail")[1]; row != fmt.Sprint(ids[1], " <nil>") {
			t.Errorf("the row of an empty value is %q", row)
		}
		everything := strings.ToLower(sent.String() + fmt.Sprintf("%+v", reading))
		for _, canary := range []string{"secret", "contact-0", "contact 1", "no. "} {
			if at := strings.Index(everything, canary); at >= 0 {
				t.Errorf("%q was sent: ...%s...", canary, everything[max(0, at-200):min(len(everything), at+100)])
			}
		}
	})
}

func TestRulesThatCannotBeFollowedStopTheStreamUnread(t *testing.T) {
	for name, c := range map[string]struct {
		rules penstock.ColumnRules
		say   string
	}{
		"a property that there is not": {penstock.ColumnRules{Hash: []string{"emial"}}, "does not have emial"},
		"the name of another property": {penstock.ColumnRules{Rename: map[string]string{"email": "firstname"}}, "the name firstname"},
	} {
		t.Run(name, func(t *testing.T) {
			ruled(t, c.rules, func(w *world, sent *strings.Builder) {
				e := w.run(contacts(), penstock.Backfill, penstock.Grant{})
				if e.Outcome != penstock.Failed || e.Trouble == nil || e.Trouble.Kind != "column_rules" || !strings.Contains(e.Trouble.Message, c.say) {
					t.Errorf("the run ended as %s: %+v", e.Outcome, e.Trouble)
				}
				if sent.Len() > 0 {
					t.Errorf("sent all the same: %s", sent)
				}
			})
		})
	}
	t.Run("no key", func(t *testing.T) {
		ruled(t, penstock.ColumnRules{Hash: []string{"email"}}, func(w *world, sent *strings.Builder) {
			w.set(func(d *desk) { d.reply.HashKey = nil })
			w.desk.stop()
			w.start()
			for stream, lane := range map[*penstock.Stream]penstock.Lane{ptr(contacts()): penstock.Backfill, ptr(past()): penstock.Sweep} {
				if e := w.run(*stream, lane, penstock.Grant{}); e.Outcome != penstock.Failed || e.Trouble == nil || e.Trouble.Kind != "column_rules" {
					t.Errorf("the run of %s ended as %s: %+v", stream.Name, e.Outcome, e.Trouble)
				}
			}
			if sent.Len() > 0 {
				t.Errorf("sent all the same: %s", sent)
			}
		})
	})
}

func ptr[T any](v T) *T { return &v }
