package analyse

import (
	"context"

	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/ledger"
)

// row is a finding while a transaction works on it.
type row struct {
	finding.Finding
	slot                 string
	fresh, changed, grew bool
}

// batch is one transaction over findings.
type batch struct {
	a      *Analyser
	tx     *ledger.Tx
	rows   map[string]*row // by organisation and key; nil for one that the ledger does not have
	order  []*row          // those that were touched
	opened map[string]int  // findings in a slot
}

func (a *Analyser) begin(tx *ledger.Tx) *batch {
	return &batch{a: a, tx: tx, rows: map[string]*row{}, opened: map[string]int{}}
}

// keep merges hits into the ledger in one transaction.
func (a *Analyser) keep(ctx context.Context, hits []hit) ([]finding.Finding, error) {
	var b *batch
	err := a.d.DB.Write(ctx, "hub:analyse", func(tx *ledger.Tx) error {
		b = a.begin(tx)
		for i := range hits {
			r, err := b.rowFor(ctx, &hits[i])
			if err != nil {
				return err
			}
			changed, grew := count(&r.Finding, &hits[i])
			r.changed, r.grew = r.changed || changed, r.grew || grew
		}
		return b.save(ctx)
	})
	if err != nil {
		return nil, fault.Wrap("analyse.keep", err)
	}
	var pass []finding.Finding
	for _, r := range b.order {
		if r.fresh || r.grew || !r.changed {
			pass = append(pass, r.Finding)
		}
	}
	b.announce()
	return pass, nil
}

// rowFor returns the finding that a hit belongs to. A rule that opened all it
// may on this node in this hour gets the one finding for the rest.
func (b *batch) rowFor(ctx context.Context, h *hit) (*row, error) {
	r, err := b.load(ctx, h.draft.Org, h.draft.Key)
	if err != nil || r != nil {
		return r, err
	}
	if h.slot == "" {
		return b.open(h.draft, ""), nil
	}
	n, err := b.inSlot(ctx, h.draft.Org, h.slot)
	if err != nil {
		return nil, err
	}
	if n < b.a.cfg.KeysPerHour {
		b.opened[string(h.draft.Org)+" "+h.slot]++
		return b.open(h.draft, h.slot), nil
	}
	rest := h.draft
	rest.Key = key("sigma", rest.Rule.ID, string(rest.Node), "and more")
	rest.Title = "And more: the rule fires on too many different things here to list each"
	if r, err = b.load(ctx, rest.Org, rest.Key); err != nil || r != nil {
		return r, err
	}
	return b.open(rest, ""), nil
}

// load returns the row with a key, nil when there is none.
func (b *batch) load(ctx context.Context, org ident.ID, key string) (*row, error) {
	at := string(org) + " " + key
	if r, ok := b.rows[at]; ok {
		return r, nil
	}
	f, err := scan(b.tx.QueryRow(ctx, selectFinding+` WHERE org = ? AND dedup = ?`, string(org), key))
	if ledger.NoRows(err) {
		b.rows[at] = nil
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &row{Finding: f}
	b.rows[at] = r
	b.order = append(b.order, r)
	return r, nil
}

// open makes a new finding of a draft.
func (b *batch) open(draft finding.Finding, slot string) *row {
	r := &row{Finding: draft, slot: slot, fresh: true}
	r.ID, r.State, r.FoundAt, r.Version = b.a.d.Ident.New(ident.Finding), finding.New, b.a.d.Now().UTC(), 1
	r.Observables = nil // The first hit counts like the others.
	b.rows[string(r.Org)+" "+r.Key] = r
	b.order = append(b.order, r)
	return r
}

// inSlot counts the findings that were opened in a slot.
func (b *batch) inSlot(ctx context.Context, org ident.ID, slot string) (int, error) {
	at := string(org) + " " + slot
	if n, ok := b.opened[at]; ok {
		return n, nil
	}
	var n int
	err := b.tx.QueryRow(ctx, `SELECT COUNT(*) FROM finding WHERE slot = ? AND org = ?`, slot, string(org)).Scan(&n)
	b.opened[at] = n
	return n, err
}

func (b *batch) save(ctx context.Context) error {
	for _, r := range b.order {
		var err error
		switch {
		case r.fresh:
			err = insert(ctx, b.tx, r)
		case r.changed:
			err = update(ctx, b.tx, &r.Finding)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) announce() {
	for _, r := range b.order {
		if r.changed {
			b.a.OnChange(r.Finding)
		}
	}
}
