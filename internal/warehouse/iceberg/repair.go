package iceberg

import (
	"context"
	"fmt"
)

// Repair forgets the tables whose files are gone or were set back, and has
// their streams read again. A column that another program has dropped is added
// by the next load.
func (s *Store) Repair(ctx context.Context) ([]string, error) {
	var done []string
	err := s.write(ctx, func(tx *tx, _ meta) (bool, error) {
		forgotten, err := tx.repair()
		done = nil
		for _, stream := range forgotten {
			done = append(done, fmt.Sprintf("the table %s is made again, empty", stream))
		}
		return len(done) > 0, err
	})
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", s.address, err)
	}
	return done, nil
}
