package worker

import (
	"sync"
	"time"
)

// clock is HubSpot's, as its answers' dates tell it; between answers it goes
// on as time passes here, and it is never ahead.
type clock struct {
	mu   sync.Mutex
	date time.Time
	at   time.Time

	leapt bool // the last answer was far ahead
}

func (c *clock) saw(date time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	ahead := date.Sub(c.date.Add(now.Sub(c.at)))
	doubtful := !c.date.IsZero() && ahead > leap
	if doubtful && !c.leapt {
		c.leapt = true // one wrong date must not end following: the next answer confirms it or not
		return
	}
	c.leapt = false
	if c.date.IsZero() || ahead > 0 {
		c.date, c.at = date, now
	}
}

// leap is how far HubSpot's clock may seem to jump before another answer has
// to say the same.
const leap = time.Minute

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.date.Add(time.Since(c.at))
}
