package warehouse

import "testing"

// claimed are claims after so many transactions each, before the present one.
func claimed(kept string, at ...int64) string {
	for _, commits := range at {
		kept = Claimed(kept, commits)
	}
	return kept
}

func TestClaimsTellARestoredWarehouseFromOneThatWentOn(t *testing.T) {
	looked := claimed("", 0, 10) // and 100 transactions were seen
	last := Claims{Begun: ReadClaims(looked)}.Last()
	for name, c := range map[string]struct {
		begun   string
		commits int64
		want    bool
	}{
		"it is as it was":                           {looked, 100, true},
		"it went on":                                {looked, 170, true},
		"another went on":                           {claimed(looked, 120), 170, true},
		"another began at once":                     {claimed(looked, 100), 170, true},
		"restored":                                  {looked, 99, false},
		"restored, claimed again, and further":      {claimed(looked, 50), 170, false},
		"restored to before it was claimed":         {claimed("", 0), 170, false},
		"restored to before, and claimed as before": {claimed("", 0, 10), 170, false},
		"made anew":                                 {"", 0, false},
	} {
		if got := (Claims{ReadClaims(c.begun), c.commits}).Have(last, 100); got != c.want {
			t.Errorf("%s: have it %v, want %v", name, got, c.want)
		}
	}
}

func TestOldClaimsAreForgotten(t *testing.T) {
	text := claimed("", 0)
	first := Claims{Begun: ReadClaims(text)}.Last()
	for i := range int64(keptClaims) {
		text = Claimed(text, i)
	}
	claims := Claims{ReadClaims(text), keptClaims}
	if len(claims.Begun) != keptClaims || claims.Last() == "" || claims.Have(first, 0) {
		t.Errorf("%d claims are kept, the last %s", len(claims.Begun), claims.Last())
	}
}
