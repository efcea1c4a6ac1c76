package exposure

import (
	"context"
	"encoding/json"
	"net/netip"

	"github.com/gaissmai/bart"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// busy is whom scanners are sending to at this moment: what a scope allows to
// an owner, a network and an address holds for all scanners together, because no
// two are with the same.
type busy struct {
	owners   map[string]bool
	networks bart.Lite
}

// busy reads it, without what one scanner does itself.
func (st *Store) busy(ctx context.Context, q ledger.Queryer, by string) (*busy, error) {
	b := &busy{owners: map[string]bool{}}
	rows, err := q.Query(ctx, `SELECT c.body FROM scan_run r JOIN scan_scope c ON c.id = r.scope WHERE r.state = 'running' AND r.lease_until >= ? AND r.lease_by <> ?`, ledger.Micros(st.now()), by)
	return b, ledger.Each(rows, err, func(scan func(...any) error) error {
		c, err := st.scanScope(scan)
		b.owners[c.owner()] = true
		for _, r := range c.Terms.Ranges {
			b.networks.Insert(network(r))
		}
		return err
	})
}

// owner names who is scanned; two organisations may write the same name.
func (c Scope) owner() string { return string(c.Org) + " " + c.Terms.Owner }

// network is a range with all of the networks that caps speak of.
func network(r netip.Prefix) netip.Prefix {
	bits := 24
	if r.Addr().Is6() {
		bits = 64
	}
	return netip.PrefixFrom(r.Addr(), min(r.Bits(), bits)).Masked()
}

func (b *busy) meets(c Scope) bool {
	if b.owners[c.owner()] {
		return true
	}
	for _, r := range c.Terms.Ranges {
		if b.networks.OverlapsPrefix(network(r)) {
			return true
		}
	}
	return false
}

// Share gives the scanner that has a run leave for more probes to the owner, and
// says for how many: none when all scanners of the run together have had what the
// scope allows. What is given counts as sent, until the scanner says how many it
// sent; of one that is never heard of again all count.
func (st *Store) Share(ctx context.Context, s access.Scope, id ident.ID, by string, more int64) (n int64, err error) {
	const op = "exposure.share"
	if more < 1 {
		return 0, fault.New(fault.Invalid, op, "a scanner asks for one more probe at least")
	}
	err = st.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		r, _, err := st.held(ctx, tx, s, id, by)
		if err != nil {
			return err
		}
		c, err := st.scopeOf(ctx, tx, s, r.Scope)
		if err != nil {
			return err
		}
		if c.State != InForce {
			return fault.New(fault.Denied, op, "the scope is %s", c.State)
		}
		t, err := st.d.Texts.Parse([]byte(c.Text)) // What was recorded by an older version has its cap only there.
		if err != nil {
			return err
		}
		if n = max(0, min(more, t.Cap-r.Probes)); n == 0 {
			return nil
		}
		r.Probes += n
		_, err = tx.Exec(ctx, `UPDATE scan_run SET body = ? WHERE id = ? AND lease_by = ?`, ledger.JSON(r), id, by)
		return err
	})
	return n, fault.Wrap(op, err)
}

// settle counts what a scanner says that it sent, of what it had leave for.
func (r *ScanRun) settle(summary json.RawMessage) {
	var said struct {
		Probes *int64 `json:"probes"`
	}
	if json.Unmarshal(summary, &said) == nil && said.Probes != nil {
		r.Probes = min(r.Probes, r.Before+max(0, *said.Probes))
	}
}
