package hubspot

import "testing"

// with makes a client of the token, in a set of credentials.
func with(t *testing.T, s *Credentials, token string) *Client {
	t.Helper()
	c, err := New(Config{BaseURL: "http://localhost", Token: token, Stamp: func() int64 { return 1 }, Credentials: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestQ1ClientsOfOneTokenShareItsWindowsAndOthersDoNot(t *testing.T) {
	s := NewCredentials()
	a, b, other := with(t, s, "one"), with(t, s, " one\n"), with(t, s, "two")
	if a.limits.Load() != b.limits.Load() || a.limits.Load() == other.limits.Load() {
		t.Error("windows are not the token's")
	}
	before := a.limits.Load().interval
	a.SetToken("two") // which another uses: its windows count
	if a.limits.Load() != other.limits.Load() || b.limits.Load().interval != before {
		t.Error("a replaced token does not bring its windows along, or took another client's")
	}
	b.SetToken("three") // nobody uses it: it may be the same credential, renewed
	if b.limits.Load().interval != before {
		t.Error("a renewed token has forgotten what was called")
	}
	if b.SetToken("three"); b.limits.Load().interval != before {
		t.Error("the same token again has other windows")
	}
	for _, c := range []*Client{a, b, other} {
		c.Close()
	}
	if len(s.limits) != 0 {
		t.Errorf("%d tokens are remembered that nobody uses", len(s.limits))
	}
}
