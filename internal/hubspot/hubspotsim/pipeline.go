package hubspotsim

import (
	"strconv"
	"time"
)

// A Pipeline is a way that objects of a type go, stage by stage.
type Pipeline struct {
	ID           string    `json:"id"`
	Label        string    `json:"label"`
	DisplayOrder int       `json:"displayOrder"`
	Stages       []Stage   `json:"stages"`
	CreatedAt    time.Time `json:"createdAt"`
	UpdatedAt    time.Time `json:"updatedAt"`
	Archived     bool      `json:"archived"`
}

// A Stage is one step of a pipeline.
type Stage struct {
	ID           string            `json:"id"`
	Label        string            `json:"label"`
	DisplayOrder int               `json:"displayOrder"`
	Metadata     map[string]string `json:"metadata"`
	CreatedAt    time.Time         `json:"createdAt"`
	UpdatedAt    time.Time         `json:"updatedAt"`
	Archived     bool              `json:"archived"`
}

// pipelinesOf are the pipelines of a type. HubSpot dates those it brings 1970.
func pipelinesOf(k kind) []Pipeline {
	origin := time.Unix(0, 0).UTC()
	stage := func(n int, id, label string, metadata map[string]string) Stage {
		metadata["isClosed"] = strconv.FormatBool(n > 1)
		return Stage{ID: id, Label: label, DisplayOrder: n, CreatedAt: origin, UpdatedAt: origin, Metadata: metadata}
	}
	deal := func(n int, id, label, probability string) Stage {
		return stage(n, id, label, map[string]string{"probability": probability})
	}
	ticket := func(n int, id, label, state string) Stage {
		return stage(n, id, label, map[string]string{"ticketState": state})
	}
	switch k.id {
	case "0-3", "0-136":
		sales := Pipeline{ID: "default", Label: "Sales pipeline", CreatedAt: origin, UpdatedAt: origin, Stages: []Stage{
			deal(0, "appointmentscheduled", "Appointment scheduled", "0.2"),
			deal(1, "contractsent", "Contract sent", "0.9"),
			deal(2, "closedwon", "Closed won", "1.0"),
			deal(3, "closedlost", "Closed lost", "0.0"),
		}}
		renewals := Pipeline{ID: "renewals", Label: "Renewals", DisplayOrder: 1, CreatedAt: customSince(), UpdatedAt: customSince(),
			Stages: []Stage{deal(0, "104717", "Due", "0.5"), deal(2, "104718", "Renewed", "1.0")}}
		return []Pipeline{sales, renewals}
	case "0-5", "2-1000001":
		return []Pipeline{{ID: "0", Label: "Support pipeline", CreatedAt: origin, UpdatedAt: origin, Stages: []Stage{
			ticket(0, "1", "New", "OPEN"), ticket(1, "2", "Waiting on contact", "OPEN"),
			ticket(2, "4", "Closed", "CLOSED"),
		}}}
	}
	return []Pipeline{}
}

// Pipelines lists the pipelines of a type; none for an unknown type.
func (a *Account) Pipelines(objectType string) []Pipeline {
	t, err := a.table(objectType)
	if err != nil {
		return nil
	}
	return pipelinesOf(t.kind)
}

func (a *Account) answerPipelines(c *call, out []byte) (int, []byte) {
	out = append(out, `{"results":`...)
	return 200, append(appendJSON(out, pipelinesOf(c.tables[0].kind)), '}')
}

func (a *Account) answerPipeline(c *call, out []byte) (int, []byte) {
	if p := pipeline(c); p != nil {
		return 200, appendJSON(out, p)
	}
	return problem(out, 404, "OBJECT_NOT_FOUND", "no pipeline "+c.args[0])
}

func (a *Account) answerStages(c *call, out []byte) (int, []byte) {
	p := pipeline(c)
	if p == nil {
		return problem(out, 404, "OBJECT_NOT_FOUND", "no pipeline "+c.args[0])
	}
	return 200, append(appendJSON(append(out, `{"results":`...), p.Stages), '}')
}

func (a *Account) answerStage(c *call, out []byte) (int, []byte) {
	if p := pipeline(c); p != nil {
		for _, s := range p.Stages {
			if s.ID == c.args[1] {
				return 200, appendJSON(out, s)
			}
		}
	}
	return problem(out, 404, "OBJECT_NOT_FOUND", "no stage "+c.args[1])
}

// pipeline finds the pipeline that the call names, nil if there is none.
func pipeline(c *call) *Pipeline {
	for _, p := range pipelinesOf(c.tables[0].kind) {
		if p.ID == c.args[0] {
			return &p
		}
	}
	return nil
}
