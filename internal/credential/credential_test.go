package credential_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock"
	"penstock/internal/secret"
)

// trouble is what a person is shown.
func trouble(t *testing.T, err error) *penstock.Trouble {
	t.Helper()
	var shown *penstock.Trouble
	if !errors.As(err, &shown) {
		t.Fatalf("%v is no trouble that is shown", err)
	}
	return shown
}

func TestAHundredWhoAskAtOnceMakeOneCall(t *testing.T) {
	inBubble(t, func(w *world) {
		w.hub.hang = make(chan struct{})
		for range 3 { // of first tokens and of renewals
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if _, err := w.consent.Token(); err != nil {
						t.Error(err)
					}
				})
			}
			<-time.After(time.Second)
			synctest.Wait()
			w.hub.does(func() { close(w.hub.hang); w.hub.hang = make(chan struct{}) })
			all.Wait()
			synctest.Wait()
			<-time.After(life - time.Minute)
		}
		w.sent("first", "first", "first")
	})
}

func TestATokenIsRenewedShortlyBeforeItExpires(t *testing.T) {
	for name, test := range map[string]struct{ life, before time.Duration }{
		"five minutes": {30 * time.Minute, 5 * time.Minute},
		"a fifth":      {10 * time.Minute, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.hub.life = test.life
				w.token()
				<-time.After(test.life - test.before - time.Second)
				if w.token() != "access-1" {
					t.Error("renewed early")
				}
				w.sent("first")
				<-time.After(time.Second)
				if w.token() != "access-1" {
					t.Error("the token in hand is not used while another is asked for")
				}
				if w.token() != "access-2" {
					t.Error("not renewed")
				}
			})
		})
	}
}

func TestNobodyAsksHubSpotWhenNobodyAsksForATokens(t *testing.T) {
	inBubble(t, func(w *world) {
		<-time.After(24 * time.Hour)
		w.sent()
	})
}

func TestATokenInHandServesWhileHubSpotIsAway(t *testing.T) {
	inBubble(t, func(w *world) {
		w.token()
		w.hub.does(func() { w.hub.down = true })
		if token, err := w.beats(life - time.Second); token != "access-1" || err != nil {
			t.Fatalf("%q, %v: the token in hand has not expired", token, err)
		}
		_, err := w.beats(10 * time.Minute)
		if shown := trouble(t, err); !shown.Heals || !strings.Contains(shown.Message, "503") {
			t.Errorf("shown: %+v", shown)
		}
		at := w.hub.at[1:]
		if len(at) < 10 || len(at) > 40 {
			t.Errorf("asked %d times in a quarter of an hour", len(at))
		}
		if first, last := at[1].Sub(at[0]), at[len(at)-1].Sub(at[len(at)-2]); first > 6*time.Second || last < 30*time.Second {
			t.Errorf("the pauses do not grow: %s at first, %s at last", first, last)
		}
		w.hub.does(func() { w.hub.down = false })
		if token, err := w.beats(time.Minute + 5*time.Second); err != nil || token == "access-1" {
			t.Errorf("it does not go on by itself: %q, %v", token, err)
		}
	})
}

func TestAHeartbeatDoesNotWaitForAHubSpotThatHangs(t *testing.T) {
	inBubble(t, func(w *world) {
		w.hub.hang = make(chan struct{})
		began := time.Now()
		_, err := w.consent.Token()
		if shown := trouble(t, err); !shown.Heals || time.Since(began) > 2*time.Second {
			t.Errorf("after %s: %+v", time.Since(began), shown)
		}
		close(w.hub.hang)
		synctest.Wait()
		w.token()
		w.sent("first")
	})
}

func TestANewRefreshTokenIsStoredBeforeTheAccessTokenIsUsed(t *testing.T) {
	inBubble(t, func(w *world) {
		w.hub.rotates = true
		w.store.setFull(true)
		token, err := w.beats(time.Minute)
		if shown := trouble(t, err); token != "" || !shown.Heals || !strings.Contains(shown.Message, errFull.Error()) {
			t.Fatalf("used before the refresh token was stored: %q, %+v", token, shown)
		}
		w.sent("first") // HubSpot has answered: only the store is tried again
		w.store.setFull(false)
		if token, err := w.beats(time.Minute); token != "access-1" || err != nil {
			t.Errorf("%q, %v", token, err)
		}
		w.restart()
		w.token()
		w.sent("first", "renewed-1")
	})
}

// TestWhoeverDiesBeforeStoringHasUsedNothing: the answer is lost, and the old
// refresh token is asked with again.
func TestWhoeverDiesBeforeStoringHasUsedNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.hub.rotates = true
		w.store.setFull(true)
		if token, _ := w.consent.Token(); token != "" {
			t.Error("used a token whose refresh token is stored nowhere")
		}
		w.restart()
		w.store.setFull(false)
		w.token()
		w.sent("first", "first")
	})
}

func TestAnExchangeUnderWayIsStoredThoughTheProcessEnds(t *testing.T) {
	inBubble(t, func(w *world) {
		w.hub.rotates = true
		hang := make(chan struct{})
		w.hub.hang = hang
		if _, err := w.consent.Token(); err == nil {
			t.Fatal("a token before HubSpot has answered")
		}
		time.AfterFunc(3*time.Second, func() { close(hang) })
		w.restart()
		w.token()
		w.sent("first", "renewed-1")
		w.hub.does(func() { w.hub.hang = make(chan struct{}) })
		<-time.After(life)
		began := time.Now()
		if _, err := w.consent.Token(); err == nil {
			t.Fatal("a token before HubSpot has answered")
		}
		if w.end(); time.Since(began) > 10*time.Second {
			t.Errorf("a HubSpot that hangs kept the process from ending for %s", time.Since(began))
		}
	})
}

func TestTheNewestRefreshTokenIsUsedUnlessAnotherIsConfigured(t *testing.T) {
	inBubble(t, func(w *world) {
		w.hub.rotates = true
		w.token()
		<-time.After(life)
		w.token()
		w.restart()
		w.token()
		w.sent("first", "renewed-1", "renewed-2")
		w.configure("second")
		<-time.After(life)
		w.token()
		w.restart()
		w.token()
		w.sent("first", "renewed-1", "renewed-2", "second", "renewed-4")
	})
}

func TestAWithdrawnConsentIsNotAskedForUntilAnotherTokenIsConfigured(t *testing.T) {
	inBubble(t, func(w *world) {
		w.token()
		w.hub.does(func() { w.hub.refuses = map[string]bool{"first": true} })
		<-time.After(life - time.Minute)
		if w.token() != "access-1" { // and asks for another
			t.Error("not the token in hand")
		}
		if token, err := w.beats(5 * time.Second); token != "" || err == nil { // though it has not expired
			t.Errorf("%q, %v: HubSpot is asked with the token of a consent that was withdrawn", token, err)
		}
		var shown *penstock.Trouble
		for range 2 {
			token, err := w.beats(time.Hour)
			if token != "" {
				t.Fatalf("%s is handed out still", token)
			}
			shown = trouble(t, err)
			w.sent("first", "first")
			w.restart() // as told by the catalog, it does not ask either
		}
		if shown.Heals || shown.Error() != "HubSpot refuses the refresh token: the app was uninstalled or access revoked" ||
			!strings.HasPrefix(shown.Remedy, "authorise again and set HUBSPOT_REFRESH_TOKEN") {
			t.Errorf("shown: %+v", shown)
		}
		w.configure("second")
		if token, err := w.beats(10 * time.Second); token != "access-3" || err != nil {
			t.Errorf("%q, %v after authorising again", token, err)
		}
		w.sent("first", "first", "second")
	})
}

func TestATokenRefusedEarlyIsRenewedOnceAndNotAgainAndAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		w.token()
		if !w.consent.Refused() {
			t.Error("it is not renewed")
		}
		for range 10 {
			if !w.consent.Refused() { // of the same token, by other lanes
				t.Error("it is not said that another comes")
			}
		}
		synctest.Wait()
		if !w.consent.Refused() {
			t.Error("the new one, which nobody has used, counts as refused")
		}
		if w.token() != "access-2" {
			t.Error("the refused token is handed out again")
		}
		for range 100 {
			<-time.After(5 * time.Second)
			if w.consent.Refused() {
				t.Fatal("renewed again and again")
			}
			w.token()
		}
		w.sent("first", "first")
		<-time.After(2 * time.Minute)
		if !w.consent.Refused() {
			t.Error("it is never renewed again")
		}
		w.token()
		w.sent("first", "first", "first")
	})
}

func TestALostKeyIsSaidAndANewTokenHealsIt(t *testing.T) {
	inBubble(t, func(w *world) {
		w.hub.rotates = true
		w.token()
		other, err := secret.NewIdentity()
		if err != nil {
			t.Fatal(err)
		}
		w.end()
		w.key = other
		w.start()
		_, err = w.beats(time.Hour)
		if shown := trouble(t, err); shown.Heals || !strings.Contains(shown.Remedy, "set HUBSPOT_REFRESH_TOKEN") {
			t.Errorf("shown: %+v", shown)
		}
		w.sent("first")
		w.configure("second")
		if _, err := w.beats(10 * time.Second); err != nil {
			t.Errorf("after authorising again: %v", err)
		}
		w.sent("first", "second")
	})
}

func TestSettingsThatCannotBeReadAreReadAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		w.token()
		w.unread = errors.New("open token: no such file")
		if token, err := w.beats(life - time.Second); token != "access-1" || err != nil {
			t.Fatalf("%q, %v: the token in hand has not expired", token, err)
		}
		if _, err := w.beats(time.Minute); !errors.Is(err, w.unread) {
			t.Errorf("shown: %v", err)
		}
		w.unread = nil
		if _, err := w.beats(10 * time.Second); err != nil {
			t.Error(err)
		}
	})
}
