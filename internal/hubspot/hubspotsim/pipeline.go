package hubspotsim

import "time"

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
	stage := func(n int, id, label, key, value string) Stage {
		return Stage{ID: id, Label: label, DisplayOrder: n, CreatedAt: origin, UpdatedAt: origin,
			Metadata: map[string]string{key: value, "isClosed": map[bool]string{true: "true", false: "false"}[n > 1]}}
	}
	switch k.id {
	case "0-3", "0-136":
		sales := Pipeline{ID: "default", Label: "Sales pipeline", CreatedAt: origin, UpdatedAt: origin, Stages: []Stage{
			stage(0, "appointmentscheduled", "Appointment scheduled", "probability", "0.2"),
			stage(1, "contractsent", "Contract sent", "probability", "0.9"),
			stage(2, "closedwon", "Closed won", "probability", "1.0"),
			stage(3, "closedlost", "Closed lost", "probability", "0.0"),
		}}
		renewals := Pipeline{ID: "renewals", Label: "Renewals", DisplayOrder: 1, CreatedAt: customSince, UpdatedAt: customSince,
			Stages: []Stage{stage(0, "104717", "Due", "probability", "0.5"), stage(2, "104718", "Renewed", "probability", "1.0")}}
		return []Pipeline{sales, renewals}
	case "0-5", "2-1000001":
		return []Pipeline{{ID: "0", Label: "Support pipeline", CreatedAt: origin, UpdatedAt: origin, Stages: []Stage{
			stage(0, "1", "New", "ticketState", "OPEN"), stage(1, "2", "Waiting on contact", "ticketState", "OPEN"),
			stage(2, "4", "Closed", "ticketState", "CLOSED"),
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
