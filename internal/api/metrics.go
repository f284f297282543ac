package api

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"penstock/internal/catalog"
	"penstock/internal/datastreams"
)

const (
	scrapeTimeout = 10 * time.Second
	recentRuns    = 1000 // that are counted by outcome
	countedErrors = 1000 // at most
)

// gauge describes a metric of a connection, or with streams of each of its streams.
func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("penstock_"+name, help, append([]string{"connection"}, labels...), nil)
}

// A meter reads the service when it is asked.
type meter struct {
	Service
	rows, tombstones, rejects, wanted, fresh, settled *prometheus.Desc // of a stream
	runs, errors, spent, limit, on, worker            *prometheus.Desc // of a connection
	warehouse, catalog                                *prometheus.Desc // of its stores
}

func newMeter(s Service) *meter {
	return &meter{
		Service:    s,
		rows:       gauge("rows", "Live rows in the warehouse.", "stream"),
		tombstones: gauge("tombstones", "Rows of what is deleted in HubSpot.", "stream"),
		rejects:    gauge("rejects", "Values and objects that could not be loaded as typed.", "stream"),
		wanted:     gauge("wanted", "Objects that are about to be read again.", "stream"),
		fresh:      gauge("fresh_age_seconds", "Since the moment up to which every change is loaded as far as HubSpot's search knew it.", "stream"),
		settled:    gauge("settled_age_seconds", "Since the moment up to which every change is loaded for sure.", "stream"),
		runs:       gauge("recent_runs", "Of the last 1000 runs, how many ended how; open for those under way.", "outcome"),
		errors:     gauge("open_errors", "What failed and still does; counted up to 1000."),
		spent:      gauge("hubspot_calls_spent", "Calls spent of HubSpot's daily limit."),
		limit:      gauge("hubspot_calls_limit", "Calls that HubSpot allows a day; 0 while unknown."),
		warehouse:  gauge("warehouse_up", "1 when the warehouse can be loaded and read."),
		catalog:    gauge("catalog_up", "1 when the catalog answers."),
		on:         gauge("schedule_on", "1 when the connection is read."),
		worker:     gauge("worker_age_seconds", "Since a worker was heard; absent when none was."),
	}
}

// metrics serves how things stand at the moment of the question.
func (s *site) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "penstock_build_info", Help: "1, with the program's version.", ConstLabels: prometheus.Labels{"version": s.version},
	})
	build.Set(1)
	registry.MustRegister(newMeter(s), build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 2 * scrapeTimeout})
}

// Describe leaves it to Collect to say which metrics there are.
func (m *meter) Describe(chan<- *prometheus.Desc) {}

// Collect tells how each connection stands. What a failing store would have
// told is left out.
func (m *meter) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	for _, c := range m.Connections() {
		tell := func(d *prometheus.Desc, value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{c.Name}, labels...)...)
		}
		streams, err := m.Streams(ctx, c.Name)
		tell(m.warehouse, truth(err == nil && c.State != "warehouse down"))
		tell(m.on, truth(c.Schedule.On))
		tell(m.spent, float64(c.Spent.Calls))
		tell(m.limit, float64(c.Spent.Limit))
		if c.WorkerAge >= 0 {
			tell(m.worker, c.WorkerAge.Seconds())
		}
		for _, st := range streams {
			m.tellStream(tell, st)
		}
		tell(m.catalog, truth(m.tellHistory(ctx, tell, c.Name) == nil))
	}
}

type teller func(d *prometheus.Desc, value float64, labels ...string)

func (m *meter) tellStream(tell teller, st datastreams.StreamStatus) {
	tell(m.rows, float64(st.Rows), st.Stream)
	tell(m.tombstones, float64(st.Deleted), st.Stream)
	tell(m.rejects, float64(st.Rejects), st.Stream)
	tell(m.wanted, float64(st.Wanted), st.Stream)
	if !st.FreshAt.IsZero() {
		tell(m.fresh, time.Since(st.FreshAt).Seconds(), st.Stream)
	}
	if !st.SettledAt.IsZero() {
		tell(m.settled, time.Since(st.SettledAt).Seconds(), st.Stream)
	}
}

func (m *meter) tellHistory(ctx context.Context, tell teller, connection string) error {
	runs, err := m.Runs(ctx, catalog.RunQuery{Connection: connection, Limit: recentRuns})
	if err != nil {
		return err
	}
	outcomes := map[string]int{"open": 0, "done": 0, "stopped": 0, "failed": 0, "skipped": 0}
	for _, r := range runs {
		outcome := string(r.Outcome)
		if r.Ended.IsZero() {
			outcome = "open"
		}
		outcomes[outcome]++
	}
	for outcome, count := range outcomes {
		tell(m.runs, float64(count), outcome)
	}
	open, err := m.Troubles(ctx, catalog.TroubleQuery{Connection: connection, Open: true, Limit: countedErrors})
	if err != nil {
		return err
	}
	tell(m.errors, float64(len(open)))
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
