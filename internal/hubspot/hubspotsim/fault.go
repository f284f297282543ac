package hubspotsim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Faults is a plan of trouble that heals by itself: each fault hits one
// request, and the same request gets through after at most Row of them.
type Faults struct {
	Rate  float64       // share of the requests that are hit, 0 to 1
	Kinds []string      // of AllFaults; empty means all
	Seed  uint64        // which requests are hit
	Row   int           // most faults in a row for the same request, default 2
	Stall time.Duration // how long a slow body stands still, default 2 s
}

// faultRoutes lists the faults and the requests they can hit; none named
// means every request.
var faultRoutes = map[string][]string{
	"500": nil, "502": nil, "503": nil, "504": nil, "524": nil,
	"401":   nil, // once, though the token is good; never where tokens come from
	"423":   nil, // locked
	"477":   nil, // moving between data centres, with Retry-After
	"429":   nil, // the limit of the request's own window, though it has room
	"html":  nil, // a page of HTML with status 200
	"void":  nil, // an empty body with status 200
	"type":  nil, // the right body under the wrong content type
	"short": nil, // half of the body, with a Content-Length that says so
	"cut":   nil, // half of the body, with the whole one's Content-Length
	"reset": nil, // the connection is reset in mid-body
	"slow":  nil, // the body stands still half-way

	"few":    {"list", "archivedlist", "search"}, // fewer objects than there are, and the right cursor
	"blank":  {"list", "archivedlist", "search"}, // no object, and a cursor
	"repeat": {"list", "archivedlist", "search"}, // the cursor that was asked for
	"back":   {"list", "archivedlist", "search"}, // a cursor before the one that was asked for
	"fewer":  {"batchread"},                      // a 207 without some of the objects, nor a word about them
	"extra":  {"batchread"},                      // a 207 with an object nobody asked for
}

// AllFaults lists the kinds of faults by name.
func AllFaults() []string {
	var kinds []string
	for kind := range faultRoutes {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// ParseFaults reads a plan such as "rate=0.05,kinds=500+html,seed=7,row=2,stall=1s".
// Empty text is no trouble.
func ParseFaults(text string) (Faults, error) {
	var f Faults
	if text == "" {
		return f, nil
	}
	for setting := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(setting), "=")
		if err := f.set(name, value); err != nil {
			return Faults{}, fmt.Errorf("faults: %s: %w", setting, err)
		}
	}
	return f, f.validate()
}

func (f *Faults) set(name, value string) (err error) {
	switch name {
	case "rate":
		f.Rate, err = strconv.ParseFloat(value, 64)
	case "kinds":
		if value != "all" {
			f.Kinds = strings.Split(value, "+")
		}
	case "seed":
		f.Seed, err = strconv.ParseUint(value, 10, 64)
	case "row":
		f.Row, err = strconv.Atoi(value)
	case "stall":
		f.Stall, err = time.ParseDuration(value)
	default:
		err = errors.New("use rate, kinds, seed, row and stall")
	}
	return err
}

func (f Faults) validate() error {
	if !(f.Rate >= 0 && f.Rate <= 1) {
		return fmt.Errorf("faults: rate %v is not between 0 and 1", f.Rate)
	}
	for _, kind := range f.Kinds {
		if _, ok := faultRoutes[kind]; !ok {
			return fmt.Errorf("faults: unknown kind %q, use %s", kind, strings.Join(AllFaults(), "+"))
		}
	}
	return nil
}

// faulty draws the faults of a plan.
type faulty struct {
	plan  Faults
	kinds []string

	mu    sync.Mutex
	drawn uint64
	row   map[uint64]int // faults in a row by request, for requests in trouble
	hits  map[string]int // faults so far by kind
}

func newFaulty(plan Faults) (*faulty, error) {
	if err := plan.validate(); err != nil {
		return nil, err
	}
	f := &faulty{plan: plan, kinds: slices.Clone(plan.Kinds), row: map[uint64]int{}, hits: map[string]int{}}
	if len(f.kinds) == 0 {
		f.kinds = AllFaults()
	}
	if f.plan.Row == 0 {
		f.plan.Row = 2
	}
	if f.plan.Stall == 0 {
		f.plan.Stall = 2 * time.Second
	}
	return f, nil
}

// maxTroubled bounds the requests that are remembered as in trouble: some are
// never asked again.
const maxTroubled = 10_000

// draw gives the fault that hits the request, empty for none.
func (f *faulty) draw(c *call) string {
	if f.plan.Rate == 0 {
		return ""
	}
	key := mix(mixText(c.r.Method+c.r.URL.RequestURI()), mixText(string(c.body)))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drawn++
	h := mix(f.plan.Seed, f.drawn)
	fault := ""
	if float64(h>>11)/(1<<53) < f.plan.Rate && f.row[key] < f.plan.Row {
		fault = f.pick(c.kind, mix2(h, 1))
	}
	if fault == "" {
		delete(f.row, key)
		return ""
	}
	if len(f.row) >= maxTroubled {
		clear(f.row)
	}
	f.row[key]++
	return fault
}

// pick chooses one of the plan's kinds that can hit such a request, among those
// that came up least so far: a short test is to see all of them.
func (f *faulty) pick(route string, h uint64) string {
	var fitting []string
	for _, kind := range f.kinds {
		routes := faultRoutes[kind]
		switch {
		case routes != nil && !slices.Contains(routes, route) || kind == "401" && route == "token":
			continue
		case len(fitting) > 0 && f.hits[kind] > f.hits[fitting[0]]:
			continue
		case len(fitting) > 0 && f.hits[kind] < f.hits[fitting[0]]:
			fitting = fitting[:0]
		}
		fitting = append(fitting, kind)
	}
	if len(fitting) == 0 {
		return ""
	}
	kind := fitting[h%uint64(len(fitting))]
	f.hits[kind]++
	return kind
}
