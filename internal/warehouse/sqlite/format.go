package sqlite

import "penstock/internal/warehouse"

func isoText(ms int64) string { return warehouse.MomentText(ms) }

func dateText(days int32) string { return warehouse.DayText(days) }

func parseISO(text string) (int64, error) { return warehouse.ParseMoment(text) }
