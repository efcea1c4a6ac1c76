package systems

import (
	"context"

	"noroshi/fault"
	"noroshi/ledger"
)

// Stats is how much there is, of all organisations.
type Stats struct {
	Systems    int // with a bill of materials in force, as far as they are read
	Advisories int
	Feeds      int
	Waiting    int // feeds of which something waits for a person
}

// Stats counts.
func (x *Systems) Stats(ctx context.Context) (st Stats, err error) {
	x.mem.mu.RLock()
	st.Advisories = x.mem.advisories.Len()
	for _, k := range x.mem.of {
		if k.InForce != nil && k.State == Active {
			st.Systems++
		}
	}
	x.mem.mu.RUnlock()
	err = x.d.DB.Read(ctx, func(q ledger.Queryer) error {
		st.Feeds, st.Waiting = 0, 0
		r, err := q.Query(ctx, `SELECT waiting, COUNT(*) FROM advisory_feed GROUP BY waiting`)
		return ledger.Each(r, err, func(scan func(...any) error) error {
			var waiting, n int
			err := scan(&waiting, &n)
			st.Feeds += n
			if waiting > 0 {
				st.Waiting += n
			}
			return err
		})
	})
	return st, fault.Wrap("systems.stats", err)
}
