package identity

import (
	"context"
	"crypto/x509"
	"time"

	"noroshi/fault"
	"noroshi/identity/join"
	"noroshi/ledger"
)

// Renew gives a node that shows its present certificate one for a new key. The
// present one stays good until the new one is first seen, or to its own end: the
// answer may be lost, and the node asks again. So a node has at most two keys
// that work: the one it asked with, and the newest.
func (n *Nodes) Renew(ctx context.Context, proof *x509.Certificate, r join.Renewal) (*join.Enrolment, error) {
	const op = "identity.renew"
	x, err := n.Admit(ctx, proof)
	if err != nil {
		return nil, err
	}
	var m *member
	var cert *x509.Certificate
	spki := join.SPKI(proof)
	err = n.d.DB.Write(ctx, "node:"+string(x.ID), func(tx *ledger.Tx) (err error) {
		// The ledger has the last word, not this hub's memory.
		if m, err = memberByID(ctx, tx, x.ID); err != nil {
			return err
		}
		if err := n.judge(m, spki); err != nil {
			return err
		}
		now := n.d.Now()
		if err := due(m, spki, now); err != nil {
			return err
		}
		if cert, err = n.ca.IssueNode(r.CSR, m.ID, m.Org, m.Role, now.Add(n.hub.Life)); err != nil {
			return err
		}
		if err := unknownKey(ctx, tx, join.SPKI(cert)); err != nil {
			return err
		}
		if err := retire(ctx, tx, m, spki, now); err != nil {
			return err
		}
		m.SPKI, m.Issued, m.NotAfter = join.SPKI(cert), now, cert.NotAfter
		if err := insertKey(ctx, tx, m); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE node SET spki_sha256 = ? WHERE id = ?`, m.SPKI, m.ID); err != nil {
			return err
		}
		// What has ended is refused by the handshake: nobody needs to know it here.
		if _, err := tx.Exec(ctx, `DELETE FROM node_key WHERE node = ? AND not_after < ?`, m.ID, ledger.Micros(now)); err != nil {
			return err
		}
		return tx.Record(ctx, "node", m.ID, m.Org, "renewed", map[string]any{"spki_sha256": m.SPKI, "not_after": m.NotAfter, "proof_sha256": spki, "peer": r.Peer})
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	n.learn(m)
	return n.enrolment(m.Node, cert), nil
}

// due refuses a renewal that comes before half of the certificate's life, or
// right after another: what one node can make the hub sign and write is bounded.
func due(m *member, spki string, now time.Time) error {
	const op = "identity.renew"
	k := m.keys[spki]
	if half := k.issued.Add(k.notAfter.Sub(k.issued) / 2); now.Before(half) {
		return fault.New(fault.Conflict, op, "the certificate is good until %s; it can be renewed from %s on", k.notAfter.Format(time.DateTime), half.Format(time.DateTime))
	}
	if again := m.Issued.Add(m.NotAfter.Sub(m.Issued) / 1000); now.Before(again) {
		return fault.New(fault.Exhausted, op, "the node renewed a moment ago; it can ask again at %s", again.Format(time.DateTime))
	}
	return nil
}
