package identity

import (
	"context"
	"crypto/x509"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity/join"
	"noroshi/ledger"
)

// How long a token waits to be used when nobody says otherwise, and at most.
const (
	TokenLife    = time.Hour
	MaxTokenLife = 24 * time.Hour
)

// NewToken makes a token with which one node joins an organisation once, and
// tells until when. A life of 0 is TokenLife.
func (n *Nodes) NewToken(ctx context.Context, s access.Scope, org ident.ID, role string, life time.Duration) (string, time.Time, error) {
	const op = "identity.token"
	if life == 0 {
		life = TokenLife
	}
	switch {
	case !s.Allows(org):
		return "", time.Time{}, fault.New(fault.NotFound, op, "there is no such organisation here")
	case role != Sensor && role != Resolver:
		return "", time.Time{}, fault.New(fault.Invalid, op, "%q is not a role of a node (sensor, resolver)", role)
	case life < 0 || life > MaxTokenLife:
		return "", time.Time{}, fault.New(fault.Invalid, op, "a token may wait for at most %s", MaxTokenLife)
	}
	secret, hash, err := newSecret()
	if err != nil {
		return "", time.Time{}, err
	}
	now := n.d.Now()
	expires := now.Add(life)
	err = n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO enrol_token (hash, org, role, made_by, made_at, expires_at, used_at) VALUES (?,?,?,?,?,?,0)`,
			hash, org, role, s.Actor(), ledger.Micros(now), ledger.Micros(expires)); err != nil {
			return err
		}
		return tx.Record(ctx, "enrol_token", tokenID(hash), org, "made", map[string]any{"role": role, "expires_at": expires.UTC()})
	})
	if err != nil {
		return "", time.Time{}, fault.Wrap(op, err)
	}
	return join.Token{Hub: n.hub.Enrol, CA: n.ca.Fingerprint(), Secret: secret}.String(), expires, nil
}

// tokenID names a token in lists and in the history: half of its hash, which
// opens nothing.
func tokenID(hash string) ident.ID { return ident.ID(string(ident.Token) + "_" + hash[:32]) }

// Redeem turns a token's secret and a certificate request into a node. A secret
// works once: it is used up in the transaction that makes the node.
func (n *Nodes) Redeem(ctx context.Context, r join.Request) (*join.Enrolment, error) {
	const op = "identity.redeem"
	if err := goodName(r.Name); err != nil {
		return nil, err
	}
	hash := hashOf(r.Secret)
	// Whoever guesses costs one look into an index, not a place in the queue of writers.
	if err := n.d.DB.Read(ctx, func(q ledger.Queryer) error { return n.usable(ctx, q, hash) }); err != nil {
		return nil, fault.Wrap(op, n.tokenRefused(ctx, hash, r.Peer, err))
	}
	var m *member
	var cert *x509.Certificate
	id := n.d.Ident.New(ident.Node)
	err := n.d.DB.Write(ctx, "node:"+string(id), func(tx *ledger.Tx) error {
		now := n.d.Now()
		if err := n.usable(ctx, tx, hash); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE enrol_token SET used_at = ?, used_by = ?, used_peer = ? WHERE hash = ?`, ledger.Micros(now), id, r.Peer, hash); err != nil {
			return err
		}
		m = &member{Node: Node{ID: id, Name: r.Name, State: NodeActive, Enrolled: now, Issued: now}}
		if err := tx.QueryRow(ctx, `SELECT org, role FROM enrol_token WHERE hash = ?`, hash).Scan(&m.Org, &m.Role); err != nil {
			return err
		}
		var err error
		if cert, err = n.ca.IssueNode(r.CSR, m.ID, m.Org, m.Role, now.Add(n.hub.Life)); err != nil {
			return err
		}
		m.SPKI, m.NotAfter = join.SPKI(cert), cert.NotAfter
		return n.insert(ctx, tx, m, hash, r.Peer)
	})
	if err != nil {
		return nil, fault.Wrap(op, n.tokenRefused(ctx, hash, r.Peer, err))
	}
	n.learn(m)
	return n.enrolment(m.Node, cert), nil
}

// enrolment is what a node is told when it joins or renews.
func (n *Nodes) enrolment(x Node, cert *x509.Certificate) *join.Enrolment {
	return &join.Enrolment{Node: x.ID, Org: x.Org, Role: x.Role, Name: x.Name, NotAfter: x.NotAfter,
		Cert: string(join.CertPEM(cert.Raw)), CA: string(n.ca.PEM()), Enrol: n.hub.Enrol,
		Bus: n.hub.Bus, Feeds: n.hub.Feeds(x.Org), FeedKey: n.ca.FeedPublicKey()}
}

func (n *Nodes) insert(ctx context.Context, tx *ledger.Tx, m *member, tokenHash, peer string) (err error) {
	if err := unknownKey(ctx, tx, m.SPKI); err != nil {
		return err
	}
	if m.changed, err = nodesEdition.Next(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO node (id, org, role, name, spki_sha256, state, enrolled_at, cut_at, cut_why, changed) VALUES (?,?,?,?,?,?,?,0,'',?)`,
		m.ID, m.Org, m.Role, m.Name, m.SPKI, m.State, ledger.Micros(m.Enrolled), m.changed); err != nil {
		return err
	}
	if err := insertKey(ctx, tx, m); err != nil {
		return err
	}
	if err := tx.Record(ctx, "enrol_token", tokenID(tokenHash), m.Org, "used", map[string]any{"node": m.ID, "peer": peer}); err != nil {
		return err
	}
	return tx.Record(ctx, "node", m.ID, m.Org, "enrolled", m.Node)
}

// unknownKey makes sure that a key is new to the platform.
func unknownKey(ctx context.Context, tx *ledger.Tx, spki string) error {
	var known int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM node_key WHERE spki_sha256 = ?`, spki).Scan(&known); err != nil {
		return err
	}
	if known > 0 {
		return fault.New(fault.Conflict, "identity.key", "this key has joined before; a node makes a new one each time")
	}
	return nil
}

// insertKey keeps the newest key of m.
func insertKey(ctx context.Context, tx *ledger.Tx, m *member) error {
	if m.keys == nil {
		m.keys = map[string]nodeKey{}
	}
	m.keys[m.SPKI] = nodeKey{issued: m.Issued, notAfter: m.NotAfter}
	_, err := tx.Exec(ctx, `INSERT INTO node_key (spki_sha256, node, issued_at, not_after, retired_at) VALUES (?,?,?,?,0)`,
		m.SPKI, m.ID, ledger.Micros(m.Issued), ledger.Micros(m.NotAfter))
	return err
}

const maxName = 200 // bytes

// goodName keeps what would deceive a reader out of a node's name, which the
// machine chooses itself.
func goodName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fault.New(fault.Invalid, "identity.redeem", "the node's name is missing, longer than %d bytes, or has characters that cannot be seen", maxName)
	}
	return nil
}
