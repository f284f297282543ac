package worker

import (
	"context"
	"sync"
	"time"

	"penstock/internal/hubspot"
)

// How old a list of property definitions may be: for reading objects, and for
// the streams of the definitions themselves.
const (
	definitionsFor = 10 * time.Minute
	definitionsNow = time.Minute
)

// definitions keeps the property lists of object types, which are large and
// change seldom. One caller at a time reads a type's; the others wait for it.
type definitions struct {
	mu    sync.Mutex
	types map[string]*definition
}

// A turn is held by one at a time; who waits for it waits no longer than its
// context.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) give() { <-t }

type definition struct {
	turn
	at         time.Time
	properties []hubspot.Property
}

func (d *definitions) of(ctx context.Context, c *hubspot.Client, objectType string, age time.Duration) ([]hubspot.Property, error) {
	d.mu.Lock()
	if d.types == nil {
		d.types = map[string]*definition{}
	}
	def := d.types[objectType]
	if def == nil {
		def = &definition{turn: newTurn()}
		d.types[objectType] = def
	}
	d.mu.Unlock()
	if err := def.take(ctx); err != nil {
		return nil, err
	}
	defer def.give()
	if !def.at.IsZero() && time.Since(def.at) < age {
		return def.properties, nil
	}
	// Lanes of any priority may wait for the list.
	properties, err := c.Properties(hubspot.WithPriority(ctx, 0), objectType)
	if err != nil {
		return nil, err
	}
	def.properties = properties
	d.mu.Lock()
	def.at = time.Now()
	d.mu.Unlock()
	return properties, nil
}

// readAt is when the type's properties were read last.
func (d *definitions) readAt(objectType string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if def := d.types[objectType]; def != nil {
		return def.at
	}
	return time.Time{}
}

// pipes keeps the pipelines of object types, for the two streams that are made
// of them, and which types have none.
type pipes struct {
	mu    sync.Mutex
	types map[string]*pipe
}

type pipe struct {
	turn
	at   time.Time
	none bool
	page hubspot.PipelinePage
}

// of is the type's pipelines; unknown when it has none to ask for.
func (p *pipes) of(ctx context.Context, c *hubspot.Client, objectType string) (hubspot.PipelinePage, bool, error) {
	p.mu.Lock()
	if p.types == nil {
		p.types = map[string]*pipe{}
	}
	one := p.types[objectType]
	if one == nil {
		one = &pipe{turn: newTurn()}
		p.types[objectType] = one
	}
	p.mu.Unlock()
	if err := one.take(ctx); err != nil {
		return hubspot.PipelinePage{}, false, err
	}
	defer one.give()
	age := time.Since(one.at)
	switch {
	case one.none && age < unpipelinedFor:
		return hubspot.PipelinePage{}, false, nil
	case !one.none && !one.at.IsZero() && age < definitionsNow:
		return one.page, true, nil
	}
	page, err := c.Pipelines(ctx, objectType)
	kind := hubspot.KindOf(err)
	refused := kind == hubspot.NotFound || kind == hubspot.BadRequest || kind == hubspot.Forbidden
	if err != nil && !refused {
		return page, false, err
	}
	had := len(one.page.Pipelines) > 0 // then its being empty now is news
	one.page, one.at, one.none = page, time.Now(), refused || (len(page.Pipelines) == 0 && !had)
	return page, err == nil && !one.none, err
}
