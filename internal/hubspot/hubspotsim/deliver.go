package hubspotsim

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"
)

// The names that HubSpot gives the limits in a 429.
const (
	policyTenSecondly = "TEN_SECONDLY_ROLLING"
	policySecondly    = "SECONDLY"
	policyDaily       = "DAILY"
)

// A trouble is HubSpot's error envelope; every field may be absent
// (developers.hubspot.com, error handling).
type trouble struct {
	Status        string              `json:"status"`
	Message       string              `json:"message"`
	CorrelationID string              `json:"correlationId,omitempty"`
	Category      string              `json:"category,omitempty"`
	SubCategory   string              `json:"subCategory,omitempty"`
	ErrorType     string              `json:"errorType,omitempty"`
	PolicyName    string              `json:"policyName,omitempty"`
	RequestID     string              `json:"requestId,omitempty"`
	Context       map[string][]string `json:"context,omitempty"`
	Errors        []trouble           `json:"errors,omitempty"`
	Links         map[string]string   `json:"links,omitempty"`
}

func (t trouble) append(out []byte) []byte {
	if t.Status == "" {
		t.Status = "error"
	}
	return appendJSON(out, t)
}

// appendJSON appends a value of the cold paths. Those are structs of strings,
// numbers and times, which always marshal.
func appendJSON(out []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(out, text...)
}

// A refusal is an error in HubSpot's own words.
type refusal string

// Error is those words.
func (r refusal) Error() string { return string(r) }

func problem(out []byte, status int, category, message string) (int, []byte) {
	return status, trouble{Message: message, Category: category, CorrelationID: correlationID()}.append(out)
}

func unauthorized(out []byte) (int, []byte) {
	return problem(out, 401, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 "+
		"authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview")
}

// limited is a 429. HubSpot sends no Retry-After with it.
func limited(out []byte, policy string) (int, []byte) {
	messages := map[string]string{
		policyTenSecondly: "You have reached your ten_secondly_rolling limit.",
		policySecondly:    "You have reached your secondly limit.",
		policyDaily:       "You have reached your daily limit.",
	}
	return 429, trouble{
		Message: messages[policy], ErrorType: "RATE_LIMIT", PolicyName: policy,
		CorrelationID: correlationID(), RequestID: correlationID(),
	}.append(out)
}

func forbidden(out []byte, scopes []string) (int, []byte) {
	return 403, trouble{
		Message: "This app hasn't been granted all required scopes to make this call. Read more about required scopes " +
			"here: https://developers.hubspot.com/scopes.",
		CorrelationID: correlationID(), Category: "MISSING_SCOPES",
		Errors: []trouble{{Status: "error", Message: "One or more of the following scopes are required.",
			Context: map[string][]string{"requiredGranularScopes": scopes}}},
		Links: map[string]string{"scopes": "https://developers.hubspot.com/scopes"},
	}.append(out)
}

// injected answers a call whose fault needs no real answer.
func injected(c *call, header http.Header, out []byte) (status int, body []byte, done bool) {
	switch c.fault {
	case "401":
		status, body = unauthorized(out)
	case "423":
		status, body = problem(out, 423, "LOCKED", "This resource is locked; try again in 2 seconds.")
	case "477":
		header.Set("Retry-After", "1")
		status, body = problem(out, 477, "MIGRATION_IN_PROGRESS", "Hub is currently being migrated between data hosting locations")
	case "429":
		policy := policyTenSecondly
		if c.budget == bySearch {
			policy = policySecondly
		}
		status, body = limited(out, policy)
	case "500":
		status, body = problem(out, 500, "", "internal error")
	case "502", "503", "504", "524":
		status, _ = strconv.Atoi(c.fault) // one of the literals of this case
		body = append(out, "<html><head><title>error "+c.fault+"</title></head><body>cloudflare</body></html>"...)
	case "html":
		status, body = 200, append(out, "<!DOCTYPE html><html><body>Checking your browser</body></html>"...)
	case "void":
		status, body = 200, out
	default:
		return 0, nil, false
	}
	return status, body, true
}

// deliver writes the answer, as far as the call's fault lets it.
func (a *Account) deliver(w http.ResponseWriter, c *call, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json;charset=utf-8")
	if len(body) > 0 && body[0] == '<' {
		header.Set("Content-Type", "text/html")
	}
	sent := body
	switch c.fault {
	case "type":
		header.Set("Content-Type", "text/plain")
	case "short":
		body = body[:len(body)/2]
		sent = body
	case "cut", "reset", "slow":
		sent = body[:len(body)/2]
	}
	if status != http.StatusNoContent {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if _, err := w.Write(sent); err != nil {
		return // the asker is gone; there is nobody to tell
	}
	a.afterHalf(w, c, body[len(sent):])
}

// afterHalf is what happens once half of the body is out.
func (a *Account) afterHalf(w http.ResponseWriter, c *call, rest []byte) {
	switch c.fault {
	case "cut":
		flush(w)
		panic(http.ErrAbortHandler)
	case "reset":
		reset(w)
	case "slow":
		flush(w)
		timer := time.NewTimer(a.faulty.plan.Stall)
		defer timer.Stop()
		select {
		case <-timer.C:
			_, _ = w.Write(rest) // a failure means that the asker is gone
		case <-c.r.Context().Done():
		}
	}
}

// flush sends what was written so far, where the connection can.
func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// reset tears the connection down without the usual farewell.
func reset(w http.ResponseWriter) {
	flush(w)
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the close is merely polite
	}
	_ = conn.Close() // it is broken on purpose, and whoever asked is told by that
}
