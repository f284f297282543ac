package hubspotsim

import (
	"encoding/json"
	"errors"
	"strconv"
)

// A writing is the body of a create or update.
type writing struct {
	Properties map[string]string `json:"properties"`
}

// refused answers a change that the account refuses.
func refused(out []byte, err error) (int, []byte) {
	if errors.Is(err, ErrNotFound) {
		return problem(out, 404, "OBJECT_NOT_FOUND", err.Error())
	}
	return problem(out, 400, "VALIDATION_ERROR", err.Error())
}

// written answers with the object as it now is.
func (a *Account) written(c *call, out []byte, status int, id int64) (int, []byte) {
	c.args = []string{strconv.FormatInt(id, 10)}
	got, out := a.answerRead(c, out)
	if got != 200 {
		status = got
	}
	return status, out
}

func (a *Account) answerCreate(c *call, out []byte) (int, []byte) {
	var w writing
	err := json.Unmarshal(c.body, &w)
	if err != nil {
		return refused(out, err)
	}
	id, err := a.Create(c.tables[0].kind.id, w.Properties)
	if err != nil {
		return refused(out, err)
	}
	return a.written(c, out, 201, id)
}

func (a *Account) answerUpdate(c *call, out []byte) (int, []byte) {
	var w writing
	err := json.Unmarshal(c.body, &w)
	id, notID := strconv.ParseInt(c.args[0], 10, 64)
	if err = errors.Join(err, notID); err != nil {
		return refused(out, err)
	}
	if err := a.Update(c.tables[0].kind.id, id, w.Properties); err != nil {
		return refused(out, err)
	}
	return a.written(c, out, 200, id)
}

func (a *Account) answerArchive(c *call, out []byte) (int, []byte) {
	id, err := strconv.ParseInt(c.args[0], 10, 64)
	if err == nil {
		err = a.Archive(c.tables[0].kind.id, id)
	}
	if err != nil {
		return refused(out, err)
	}
	return 204, out
}

func (a *Account) answerMerge(c *call, out []byte) (int, []byte) {
	var w struct {
		Primary int64 `json:"primaryObjectId,string"`
		Other   int64 `json:"objectIdToMerge,string"`
	}
	if err := json.Unmarshal(c.body, &w); err != nil {
		return refused(out, err)
	}
	winner, err := a.Merge(c.tables[0].kind.id, w.Primary, w.Other)
	if err != nil {
		return refused(out, err)
	}
	return a.written(c, out, 200, winner)
}

func (a *Account) answerErase(c *call, out []byte) (int, []byte) {
	var w struct {
		ID int64 `json:"objectId,string"`
	}
	err := json.Unmarshal(c.body, &w)
	if err == nil {
		err = a.Erase(c.tables[0].kind.id, w.ID)
	}
	if err != nil {
		return refused(out, err)
	}
	return 204, out
}
