package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"penstock"
	"penstock/internal/hubspot"
)

// discover finds the account's object types and learns their streams' names.
func (h *holder) discover(ctx context.Context) ([]penstock.Stream, error) {
	found, err := h.look(ctx)
	if err != nil {
		return nil, err
	}
	streams, err := h.w.cfg.Orders.Discover(ctx, penstock.Discovery{
		Connection: h.name, Account: penstock.Account{ID: h.account.PortalID}, Found: found,
	})
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found, h.streams = found, map[string]penstock.Stream{}
	for _, s := range streams {
		if s.Family == penstock.Objects {
			h.streams[s.Name] = s
		}
	}
	return streams, nil
}

// look lists the object types that every account knows, and this one's own.
func (h *holder) look(ctx context.Context) ([]penstock.Found, error) {
	var found []penstock.Found
	for _, t := range hubspot.ObjectTypes() {
		found = append(found, penstock.Found{Name: t.Name, ObjectType: t.ID, Whole: !t.Search})
	}
	schemas, err := h.client.Schemas(ctx)
	if err != nil && hubspot.KindOf(err) != hubspot.Forbidden {
		return nil, err
	}
	for _, s := range schemas {
		found = append(found, penstock.Found{Name: s.Name, ObjectType: s.ObjectTypeID})
	}
	slices.SortStableFunc(found, func(a, b penstock.Found) int { return strings.Compare(a.ObjectType, b.ObjectType) })
	return found, nil
}

// lookEvery is how often the account is asked for new object types.
const lookEvery = time.Hour

// errNoToken says that nobody has given a credential.
var errNoToken = errors.New("there is no token")

// errOtherToken ends the lease, to begin it anew with the account of now.
var errOtherToken = errors.New("the new token opens another HubSpot account")

// errNewTypes ends the lease, to begin it anew with the types of now.
var errNewTypes = errors.New("the account's object types have changed")

// lookAgain ends the lease when the account has other object types.
func (h *holder) lookAgain(ctx context.Context) error {
	for sleep(ctx, lookEvery) {
		found, err := h.look(ctx)
		if err != nil {
			h.log.Debug("the object types could not be read; the known ones stay", "error", err)
			continue
		}
		h.mu.Lock()
		same := slices.Equal(found, h.found)
		h.mu.Unlock()
		if !same {
			return errNewTypes
		}
	}
	return nil
}
