package worker

import (
	"errors"

	"penstock"
	"penstock/internal/cursor"
	"penstock/internal/hubspot"
)

// troubleOf says what failed in words that a user can act on.
func troubleOf(err error) *penstock.Trouble {
	var known *hubspot.Error
	switch {
	case errors.Is(err, errNoType):
		return &penstock.Trouble{
			Kind: "not enabled", Message: err.Error(), Heals: true,
			Remedy: "nothing, unless you use it: switch the object type on in HubSpot, or choose the streams you want",
		}
	case errors.Is(err, errNoProperty):
		return &penstock.Trouble{
			Kind: "unknown_property", Message: err.Error(),
			Remedy: "`penstock rows properties` lists those that there are: correct the history that is chosen",
		}
	case errors.Is(err, errRules):
		return &penstock.Trouble{
			Kind: "column_rules", Message: err.Error(),
			Remedy: "correct the columns of the stream in penstock.yaml and start again; `penstock rows properties` lists the properties that there are",
		}
	case errors.Is(err, errNoToken):
		return &penstock.Trouble{
			Kind: "credential", Message: err.Error(),
			Remedy: "set HUBSPOT_ACCESS_TOKEN, or token_file in penstock.yaml",
		}
	case errors.As(err, &known):
		return &penstock.Trouble{
			Kind: string(known.Kind), Message: known.Error(), Remedy: known.Remedy(),
			Heals: known.Heals(), Until: known.ResetsAt,
		}
	case errors.Is(err, errBadPage), errors.Is(err, cursor.ErrNoProgress):
		return &penstock.Trouble{
			Kind: "bad answer", Message: err.Error(), Heals: true,
			Remedy: "nothing is lost: the next run goes on from the last committed batch; if it stays, tell HubSpot's support",
		}
	}
	return &penstock.Trouble{Kind: "failed", Message: err.Error(), Heals: true,
		Remedy: "the next run goes on from the last committed batch"}
}
