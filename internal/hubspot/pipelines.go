package hubspot

import (
	"context"
	"time"
)

// A Pipeline is an ordered set of stages that records of a type pass through
// (developers.hubspot.com, pipelines guide). The ones that HubSpot made date
// from 1970.
type Pipeline struct {
	ID           string  `json:"id"`
	Label        string  `json:"label"`
	DisplayOrder int     `json:"displayOrder"`
	Stages       []Stage `json:"stages"`
	CreatedAt    string  `json:"createdAt"`
	UpdatedAt    string  `json:"updatedAt"`
	Archived     bool    `json:"archived"`
}

// A Stage is one step of a pipeline. Metadata holds isClosed and probability
// for deals, ticketState for tickets, all as strings.
type Stage struct {
	ID           string            `json:"id"`
	Label        string            `json:"label"`
	DisplayOrder int               `json:"displayOrder"`
	Metadata     map[string]string `json:"metadata"`
	CreatedAt    string            `json:"createdAt"`
	UpdatedAt    string            `json:"updatedAt"`
	Archived     bool              `json:"archived"`
}

// A PipelinePage is one answer about pipelines; lists are never paged.
type PipelinePage struct {
	Pipelines []Pipeline
	Date      time.Time // HubSpot's clock
	Stamp     int64     // taken before the page was asked for
}

// A StagePage is one answer about a single stage.
type StagePage struct {
	Stage Stage
	Date  time.Time // HubSpot's clock
	Stamp int64     // taken before the stage was asked for
}

// Pipelines lists the pipelines of an object type with their stages. Archived
// ones are not among them: only asking by id shows what became of one.
func (c *Client) Pipelines(ctx context.Context, objectType string) (PipelinePage, error) {
	var list struct {
		Results []Pipeline `json:"results"`
	}
	ans, err := c.ask(ctx, question{
		op:      "list pipelines of " + objectType,
		path:    c.path(PipelinesFamily, objectType),
		verify:  wholeList,
		decoded: &list,
	})
	if err != nil {
		return PipelinePage{}, err
	}
	return PipelinePage{Pipelines: list.Results, Date: ans.date, Stamp: ans.stamp}, nil
}

// Pipeline reads one pipeline by id, as a page of one.
func (c *Client) Pipeline(ctx context.Context, objectType, id string) (PipelinePage, error) {
	var p Pipeline
	ans, err := c.ask(ctx, question{
		op:      "read pipeline " + id + " of " + objectType,
		path:    c.path(PipelinesFamily, objectType, id),
		verify:  oneThing("id"),
		decoded: &p,
	})
	if err != nil {
		return PipelinePage{}, err
	}
	return PipelinePage{Pipelines: []Pipeline{p}, Date: ans.date, Stamp: ans.stamp}, nil
}

// Stage reads one stage of a pipeline by id.
func (c *Client) Stage(ctx context.Context, objectType, pipelineID, stageID string) (StagePage, error) {
	var s Stage
	ans, err := c.ask(ctx, question{
		op:      "read stage " + stageID + " of pipeline " + pipelineID,
		path:    c.path(PipelinesFamily, objectType, pipelineID, "stages", stageID),
		verify:  oneThing("id"),
		decoded: &s,
	})
	if err != nil {
		return StagePage{}, err
	}
	return StagePage{Stage: s, Date: ans.date, Stamp: ans.stamp}, nil
}
