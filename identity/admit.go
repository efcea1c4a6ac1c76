package identity

import (
	"context"
	"crypto/x509"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity/join"
	"noroshi/ledger"
)

// MaxStale is for how long what stands in memory is believed without a look
// into the ledger. Whoever calls Refresh as often never makes a connection wait
// for that look.
const MaxStale = 500 * time.Millisecond

// lookWithin bounds the look that a connection waits for.
const lookWithin = 2 * time.Second

// Refresh takes over what other hubs did: nodes that joined, renewed, or were
// cut off. It asks for one number, and reads those nodes only that changed since
// the number before; OnCut and OnRetire are called before it returns.
func (n *Nodes) Refresh(ctx context.Context) error {
	n.looking.Lock()
	defer n.looking.Unlock()
	return n.look(ctx)
}

// look needs n.looking.
func (n *Nodes) look(ctx context.Context) error {
	n.mu.Lock()
	n.looked = n.d.Now()
	n.mu.Unlock()
	edition := n.edition
	var list []*member
	err := n.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		if edition, err = nodesEdition.Read(ctx, q); err != nil || edition == n.edition {
			return err
		}
		list, err = members(ctx, q, `n.changed > ?`, n.edition)
		return err
	})
	if err != nil {
		return fault.As(fault.Unavailable, "identity.refresh", err, "the ledger is away; nodes are admitted as it was last seen")
	}
	n.learn(list...)
	n.edition = edition
	return nil
}

// fresh sees to it that what stands in memory is not older than MaxStale. When
// the ledger is away it stays as it is: better to serve the nodes that were good
// a moment ago than none, and nobody can be cut off without the ledger either.
// The ledger is then asked again after MaxStale, not by every connection.
func (n *Nodes) fresh(ctx context.Context) {
	recent := func() bool {
		n.mu.RLock()
		defer n.mu.RUnlock()
		return n.d.Now().Sub(n.looked) < MaxStale
	}
	if recent() {
		return
	}
	n.looking.Lock()
	defer n.looking.Unlock()
	if recent() { // Somebody else looked while this one waited.
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	_ = n.look(ctx) // Whoever calls Refresh gets the error and says it.
}

// learn takes over what the ledger said of nodes, unless this hub knows of a
// later change by now.
func (n *Nodes) learn(list ...*member) {
	var cut, retired []ident.ID
	n.mu.Lock()
	for _, m := range list {
		old, known := n.byID[m.ID]
		if known && old.changed >= m.changed {
			continue
		}
		if known {
			for spki, k := range old.keys {
				delete(n.bySPKI, spki)
				if k.retired.IsZero() && !m.keys[spki].live() {
					retired = append(retired, m.ID)
				}
			}
		}
		n.byID[m.ID] = m
		for spki := range m.keys {
			n.bySPKI[spki] = m
		}
		if m.State == NodeCut && (!known || old.State != NodeCut) {
			cut = append(cut, m.ID)
		}
	}
	n.mu.Unlock()
	for _, id := range retired {
		n.OnRetire(id)
	}
	for _, id := range cut {
		n.OnCut(id)
	}
}

// live tells whether the ledger knows the key as one that may be used, until it ends.
func (k nodeKey) live() bool { return !k.notAfter.IsZero() && k.retired.IsZero() }

// find returns the node of a key. A key that is not in memory may be of a node
// that joined at another hub a moment ago.
func (n *Nodes) find(ctx context.Context, spki string) (*member, error) {
	n.fresh(ctx)
	n.mu.RLock()
	m := n.bySPKI[spki]
	n.mu.RUnlock()
	if m != nil {
		return m, nil
	}
	if err := n.Refresh(ctx); err != nil {
		return nil, err
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if m = n.bySPKI[spki]; m == nil {
		return nil, fault.New(fault.Unauthenticated, "identity.admit", "the certificate belongs to no node that joined here")
	}
	return m, nil
}

// Admit tells whose certificate this is, if it may connect, and until when. The
// TLS handshake has verified its chain. What another hub changed more than
// MaxStale ago counts here, as long as the ledger can be reached.
func (n *Nodes) Admit(ctx context.Context, cert *x509.Certificate) (Node, error) {
	spki := join.SPKI(cert)
	m, err := n.find(ctx, spki)
	if fault.KindOf(err) == fault.Unauthenticated {
		n.refused.count(RefusedUnknown)
	}
	if err != nil {
		return Node{}, err
	}
	if err := n.judge(m, spki); err != nil {
		return Node{}, err
	}
	if spki == m.SPKI && m.overlaps() {
		// The node has its new key at work, so the old one may go. If the ledger is
		// away just now, the next connection sees to it, or the old key's own end.
		if settled, err := n.settle(ctx, m.ID); err == nil {
			m = settled
			if err := n.judge(m, spki); err != nil {
				return Node{}, err
			}
		}
	}
	x := m.Node
	x.NotAfter = m.keys[spki].notAfter
	return x, nil
}

// judge refuses a key that may not be used, or not any more.
func (n *Nodes) judge(m *member, spki string) error {
	k := m.keys[spki]
	who := string(m.ID) + " (" + m.Role + " of " + string(m.Org) + ")"
	refuse := func(r Refusal, format string, args ...any) error {
		n.refused.count(r)
		return fault.New(fault.Denied, "identity.admit", format, args...)
	}
	switch {
	case m.State != NodeActive:
		return refuse(RefusedCut, "the node %s was cut off: %s", who, m.CutWhy)
	case !k.live():
		return refuse(RefusedRetired, "the node %s has replaced this key on %s: whoever shows it has an old copy of the node, or stole it", who, k.retired.Format(time.DateTime))
	case !n.d.Now().Before(k.notAfter):
		return refuse(RefusedExpired, "the certificate of the node %s ended on %s; it joins again with a new token", who, k.notAfter.Format(time.DateTime))
	}
	return nil
}

// overlaps tells whether a key beside the newest one may still be used.
func (m *member) overlaps() bool {
	for spki, k := range m.keys {
		if spki != m.SPKI && k.live() {
			return true
		}
	}
	return false
}

// settle retires every key of a node but the newest.
func (n *Nodes) settle(ctx context.Context, id ident.ID) (m *member, err error) {
	err = n.d.DB.Write(ctx, "node:"+string(id), func(tx *ledger.Tx) error {
		if m, err = memberByID(ctx, tx, id); err != nil || !m.overlaps() {
			return err
		}
		return retire(ctx, tx, m, m.SPKI, n.d.Now())
	})
	if err != nil {
		return nil, fault.Wrap("identity.settle", err)
	}
	n.learn(m)
	return m, nil
}

// retire ends the keys of m but the one that is kept, as a change of its own.
func retire(ctx context.Context, tx *ledger.Tx, m *member, keep string, now time.Time) (err error) {
	if m.changed, err = nodesEdition.Next(ctx, tx); err != nil {
		return err
	}
	for spki, k := range m.keys {
		if spki == keep || !k.live() {
			continue
		}
		k.retired = now
		m.keys[spki] = k
		if _, err := tx.Exec(ctx, `UPDATE node_key SET retired_at = ? WHERE spki_sha256 = ?`, ledger.Micros(now), spki); err != nil {
			return err
		}
		if err := tx.Record(ctx, "node", m.ID, m.Org, "key_retired", map[string]any{"spki_sha256": spki}); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `UPDATE node SET changed = ? WHERE id = ?`, m.changed, m.ID)
	return err
}
