package ledger

import (
	"context"
	"slices"
	"strings"

	"noroshi/ident"
)

// Tally is how many records a transaction brought into each tab of an
// organisation, or took out of it. A page's counts are read from a table of tallies
// (org, tab, n) and not counted: that would take the longer the more there is.
type Tally map[[2]string]int64

// Add notes n more, or fewer.
func (t Tally) Add(org ident.ID, tab string, n int64) { t[[2]string{string(org), tab}] += n }

// Write adds what was noted to a table of tallies.
func (t Tally) Write(ctx context.Context, tx *Tx, table string) error {
	keys := make([][2]string, 0, len(t))
	for k, n := range t {
		if n != 0 {
			keys = append(keys, k)
		}
	}
	// In one order, so that transactions wait for each other and not in a circle.
	slices.SortFunc(keys, func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	for _, k := range keys {
		if _, err := tx.Exec(ctx, `INSERT INTO `+table+` (org, tab, n) VALUES (?,?,?) ON CONFLICT (org, tab) DO UPDATE SET n = `+table+`.n + excluded.n`, k[0], k[1], t[k]); err != nil {
			return err
		}
	}
	return nil
}
