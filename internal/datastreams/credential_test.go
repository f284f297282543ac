package datastreams_test

import (
	"strings"
	"testing"
	"time"

	"penstock"
	"penstock/internal/warehouse/warehousetest"
)

func TestAWithdrawnCredentialStopsTheWorkerUntilItIsReplaced(t *testing.T) {
	withdrawn := penstock.Trouble{Kind: "credential", Message: "HubSpot refuses the refresh token", Remedy: "authorise again"}
	var is error
	inWorld(t, func(w *world) {
		w.token = func() (string, error) { return "access", is }
	}, func(w *world) {
		k := w.worker("a")
		is = &withdrawn
		for range 5 {
			if reply := k.beat(); reply.Refused != withdrawn.Message || len(reply.Secret) > 0 {
				w.Errorf("the worker reads on: %+v", reply)
			}
			pass(time.Second)
		}
		open := w.troubles(true)
		if len(open) != 1 || open[0].Trouble != withdrawn || open[0].Count != 1 {
			w.Errorf("troubles: %+v", open)
		}
		if st := w.service.Connections()[0]; st.State != "refused" || st.Message != withdrawn.Message {
			w.Errorf("the connection stands as %+v", st)
		}
		caughtUp := make(chan error, 1)
		go func() { caughtUp <- w.service.CatchUp(w.Context(), "default", nil) }()
		pass(time.Second)
		for range 10 { // what heals is waited for
			is = &penstock.Trouble{Kind: "credential", Message: "HubSpot does not answer", Heals: true}
			k.beat()
		}
		select {
		case err := <-caughtUp:
			w.Errorf("a catch-up was not waited for: %v", err)
		default:
		}
		is = &withdrawn
		k.beat()
		if err := <-caughtUp; err == nil || !strings.Contains(err.Error(), "authorise again") {
			w.Errorf("a catch-up ended with %v", err)
		}
		is = nil
		if reply := k.beat(); reply.Refused != "" || string(reply.Secret) != "key:access" {
			w.Errorf("it does not go on: %+v", reply)
		}
		if open := w.troubles(true); len(open) != 0 {
			w.Errorf("still open: %+v", open)
		}
	})
}

// TestARefusedTokenIsReplaced: whether a lane tells of it or the whole
// connection.
func TestARefusedTokenIsReplaced(t *testing.T) {
	refused, comes := 0, true
	inWorld(t, func(w *world) {
		w.token = func() (string, error) { return "access", nil }
		w.refused = func() bool { refused++; return comes }
	}, func(w *world) {
		k := w.worker("a")
		told := &penstock.Trouble{Kind: "unauthorized", Message: "401", Remedy: "give a valid token"}
		b := k.message()
		b.Trouble = told
		w.service.Beat(w.Context(), b)
		if open := w.troubles(true); refused != 1 || len(open) != 1 || !open[0].Heals {
			w.Errorf("told %d times; troubles: %+v", refused, open)
		}
		k.beat()
		comes = false
		r := k.granted(warehousetest.Contacts(), penstock.Backfill)
		end := penstock.RunEnd{Worker: "a", Connection: "default", Grant: r.grant.Token, Outcome: penstock.Failed, Trouble: told}
		for range 3 { // the word of it may be repeated
			if err := w.service.End(w.Context(), end); err != nil {
				w.Error(err)
			}
		}
		if open := w.troubles(true); refused != 2 || len(open) != 1 || open[0].Trouble != *told {
			w.Errorf("told %d times; troubles: %+v", refused, open)
		}
		b.Trouble = &penstock.Trouble{Kind: "forbidden", Message: "403"}
		w.service.Beat(w.Context(), b)
		if refused != 2 {
			w.Error("a missing scope has the token replaced")
		}
	})
}
