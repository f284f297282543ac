package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"penstock"
	"penstock/internal/api"
	"penstock/internal/datastreams"
)

// Explain tells all that is known of an object. Numbers of its row are
// json.Number.
func (c *Client) Explain(ctx context.Context, connection, stream string, id int64) (*datastreams.Explanation, error) {
	e := &datastreams.Explanation{}
	return e, c.ask(ctx, http.MethodGet, under(connection, "streams", stream, "explain", strconv.FormatInt(id, 10)), nil, e)
}

// Plan tells what reading the connection's account costs. Nothing is loaded.
func (c *Client) Plan(ctx context.Context, connection string) (datastreams.Plan, error) {
	var p datastreams.Plan
	err := c.ask(ctx, http.MethodGet, "/v1/plan?"+of(connection), nil, &p)
	return p, err
}

// Quota tells what is used and left of HubSpot's limits.
func (c *Client) Quota(ctx context.Context, connection string) (datastreams.Quota, error) {
	var q datastreams.Quota
	err := c.ask(ctx, http.MethodGet, "/v1/quota?"+of(connection), nil, &q)
	return q, err
}

// Probe tries on the account what is assumed of HubSpot.
func (c *Client) Probe(ctx context.Context, connection string) ([]penstock.Finding, error) {
	var found api.Probes
	err := c.ask(ctx, http.MethodGet, under(connection, "probes"), nil, &found)
	return found.Findings, err
}

func of(connection string) string { return url.Values{"connection": {connection}}.Encode() }
