// Package client asks a running Penstock over HTTP, in the words of package
// api.
//
// It knows the routes and the paging, and keeps nothing between two calls. An
// answer that refuses is an *api.Problem; that nobody answers is
// ErrUnreachable.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"penstock/internal/api"
)

const (
	maxAnswer   = 256 << 20        // the largest answer that is read
	dialTimeout = 10 * time.Second // how long a server may take to accept
)

// ErrUnreachable says that no Penstock answers at the address.
var ErrUnreachable = errors.New("no penstock answers")

// A Client asks one server.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// New makes a client of the server at a base URL such as
// http://127.0.0.1:8080. The token may be empty.
func New(baseURL, token string) *Client {
	return &Client{base: strings.TrimRight(baseURL, "/"), token: token, http: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute,
			DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, TLSHandshakeTimeout: dialTimeout,
		},
	}}
}

// Start has the connection read now and at each interval; 0 keeps the interval.
func (c *Client) Start(ctx context.Context, connection string, every time.Duration) (api.Schedule, error) {
	change := api.ScheduleChange{On: true}
	if every != 0 {
		change.Every = every.String()
	}
	return c.reschedule(ctx, connection, change)
}

// Stop pauses the connection.
func (c *Client) Stop(ctx context.Context, connection string) (api.Schedule, error) {
	return c.reschedule(ctx, connection, api.ScheduleChange{})
}

func (c *Client) reschedule(ctx context.Context, connection string, change api.ScheduleChange) (api.Schedule, error) {
	var schedule api.Schedule
	err := c.ask(ctx, http.MethodPut, under(connection, "schedule"), change, &schedule)
	return schedule, err
}

// Status tells how the connections stand.
func (c *Client) Status(ctx context.Context) ([]api.Connection, error) {
	return all[api.Connection](ctx, c, "/v1/connections", nil)
}

// Streams tells how the streams of a connection stand, by name.
func (c *Client) Streams(ctx context.Context, connection string) ([]api.Stream, error) {
	return all[api.Stream](ctx, c, under(connection, "streams"), nil)
}

// Errors lists what failed, the newest first; with resolved also what is over.
func (c *Client) Errors(ctx context.Context, connection string, resolved bool) ([]api.Trouble, error) {
	query := url.Values{}
	if resolved {
		query.Set("resolved", "true")
	}
	return all[api.Trouble](ctx, c, under(connection, "errors"), query)
}

// Backfill has all objects of a stream read again, and does not wait for it.
func (c *Client) Backfill(ctx context.Context, connection, stream string) error {
	return c.ask(ctx, http.MethodPost, under(connection, "backfills"), api.Backfill{Stream: stream}, nil)
}

// CatchUp has everything read once and waits until it is committed; no streams
// means all chosen ones.
func (c *Client) CatchUp(ctx context.Context, connection string, streams []string) error {
	return c.ask(ctx, http.MethodPost, under(connection, "catchups"), api.CatchUp{Streams: streams}, nil)
}

// Repair adds back what somebody has dropped of the tables, and says what it did.
func (c *Client) Repair(ctx context.Context, connection string) ([]string, error) {
	var repaired api.Repaired
	err := c.ask(ctx, http.MethodPost, under(connection, "repair"), nil, &repaired)
	return repaired.Done, err
}

// ConfirmSweep lets a sweep go on that has stopped.
func (c *Client) ConfirmSweep(ctx context.Context, connection, stream string) error {
	return c.ask(ctx, http.MethodPost, under(connection, "sweep", "confirm"), api.Confirmation{Stream: stream}, nil)
}

// Verify compares streams with HubSpot, has what differs read again, and waits;
// no streams means all.
func (c *Client) Verify(ctx context.Context, connection string, streams []string, every bool) (api.Verified, error) {
	var verified api.Verified
	err := c.ask(ctx, http.MethodPost, under(connection, "verifications"), api.Verify{Streams: streams, EveryObject: every}, &verified)
	return verified, err
}

// Ready tells what keeps the server from its work; nothing when it is ready.
func (c *Client) Ready(ctx context.Context) ([]string, error) {
	err := c.ask(ctx, http.MethodGet, "/readyz", nil, nil)
	if p, ok := errors.AsType[*api.Problem](err); ok && len(p.Reasons) > 0 {
		return p.Reasons, nil
	}
	return nil, err
}

// under is the path of something of a connection.
func under(connection string, parts ...string) string {
	path := "/v1/connections/" + url.PathEscape(connection)
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// all reads every page of a list.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	items := []T{}
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", "1000")
	for {
		var page api.Page[T]
		if err := c.ask(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items, nil
		}
		query.Set("after", page.Next)
	}
}

// ask sends a request and reads the answer into out; nil drops it.
func (c *Client) ask(ctx context.Context, method, path string, body, out any) error {
	request, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	case len(text) > maxAnswer:
		return fmt.Errorf("the answer of %s is larger than %d MB; ask for less", c.base, maxAnswer>>20)
	case response.StatusCode >= http.StatusBadRequest:
		return c.refused(response, text)
	case out == nil:
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(out); err != nil {
		return fmt.Errorf("the answer of %s is not one of a penstock: %w", c.base, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, sent)
	if err != nil {
		return nil, fmt.Errorf("the address of the server is not a URL such as http://127.0.0.1:8080: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, nil
}

// unreachable says that nobody answers; what the network said follows.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask %s: %w", c.base, ctx.Err())
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("%w at %s; start it with `penstock up`, or name the right address: %w", ErrUnreachable, c.base, err)
}

func (c *Client) refused(response *http.Response, text []byte) error {
	problem := &api.Problem{}
	if err := json.Unmarshal(text, problem); err != nil || problem.Status != response.StatusCode {
		return fmt.Errorf("%s answered %s, and not as a penstock does; see that the address is the right one", c.base, response.Status)
	}
	return problem
}
