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

// nodeLife is how long a node's certificate lasts. It joins again after that.
const nodeLife = 365 * 24 * time.Hour

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
	expires := n.d.Now().Add(life)
	err = n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO enrol_token (hash, org, role, made_by, expires_at, used_at) VALUES (?,?,?,?,?,0)`,
			hash, org, role, s.Actor(), ledger.Micros(expires)); err != nil {
			return err
		}
		return tx.Record(ctx, "enrol_token", tokenID(hash), org, "made", map[string]any{"role": role, "expires_at": expires.UTC()})
	})
	if err != nil {
		return "", time.Time{}, fault.Wrap(op, err)
	}
	return join.Token{Hub: n.hub.Enrol, CA: n.ca.Fingerprint(), Secret: secret}.String(), expires, nil
}

// tokenID names a token in the history: half of its hash, which opens nothing.
func tokenID(hash string) ident.ID { return ident.ID(string(ident.Token) + "_" + hash[:32]) }

func badToken(op string) error {
	return fault.New(fault.Denied, op, "the token is unknown, was used before, or has expired")
}

// Redeem turns a token's secret and a certificate request into a node. A secret
// works once: it is used up in the transaction that makes the node.
func (n *Nodes) Redeem(ctx context.Context, r join.Request) (*join.Enrolment, error) {
	const op = "identity.redeem"
	if err := goodName(r.Name); err != nil {
		return nil, err
	}
	hash := hashOf(r.Secret)
	// Whoever guesses costs one look into an index, not a place in the queue of writers.
	if err := n.usable(ctx, hash); err != nil {
		return nil, fault.Wrap(op, err)
	}
	var x Node
	var cert *x509.Certificate
	id := n.d.Ident.New(ident.Node)
	err := n.d.DB.Write(ctx, "node:"+string(id), func(tx *ledger.Tx) error {
		now := n.d.Now()
		err := ledger.Changed(tx.Exec(ctx, `UPDATE enrol_token SET used_at = ? WHERE hash = ? AND used_at = 0 AND expires_at > ?`,
			ledger.Micros(now), hash, ledger.Micros(now)))
		if fault.KindOf(err) == fault.Conflict {
			return badToken(op)
		}
		if err != nil {
			return err
		}
		x = Node{ID: id, Name: r.Name, State: NodeActive, Enrolled: now}
		if err := tx.QueryRow(ctx, `SELECT org, role FROM enrol_token WHERE hash = ?`, hash).Scan(&x.Org, &x.Role); err != nil {
			return err
		}
		if cert, err = n.ca.IssueNode(r.CSR, x.ID, x.Org, x.Role, now.Add(nodeLife)); err != nil {
			return err
		}
		x.SPKI, x.NotAfter = join.SPKI(cert), cert.NotAfter
		return insertNode(ctx, tx, x, hash)
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	n.mu.Lock()
	n.bySPKI[x.SPKI] = x
	n.mu.Unlock()
	return &join.Enrolment{Node: x.ID, Org: x.Org, Role: x.Role, Name: x.Name, NotAfter: x.NotAfter,
		Cert: string(join.CertPEM(cert.Raw)), CA: string(n.ca.PEM()),
		Bus: n.hub.Bus, Feeds: n.hub.Feeds(x.Org), FeedKey: n.ca.FeedPublicKey()}, nil
}

func (n *Nodes) usable(ctx context.Context, hash string) error {
	return n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		var role string
		err := q.QueryRow(ctx, `SELECT role FROM enrol_token WHERE hash = ? AND used_at = 0 AND expires_at > ?`,
			hash, ledger.Micros(n.d.Now())).Scan(&role)
		if ledger.NoRows(err) {
			return badToken("identity.redeem")
		}
		return err
	})
}

func insertNode(ctx context.Context, tx *ledger.Tx, x Node, tokenHash string) error {
	var known int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM node WHERE spki_sha256 = ?`, x.SPKI).Scan(&known); err != nil {
		return err
	}
	if known > 0 {
		return fault.New(fault.Conflict, "identity.redeem", "this key has joined before; a node makes a new one each time")
	}
	if _, err := tx.Exec(ctx, `INSERT INTO node (id, org, role, name, spki_sha256, state, enrolled_at, not_after, cut_at, cut_why) VALUES (?,?,?,?,?,?,?,?,0,'')`,
		x.ID, x.Org, x.Role, x.Name, x.SPKI, x.State, ledger.Micros(x.Enrolled), ledger.Micros(x.NotAfter)); err != nil {
		return err
	}
	if err := tx.Record(ctx, "enrol_token", tokenID(tokenHash), x.Org, "used", map[string]any{"node": x.ID}); err != nil {
		return err
	}
	return tx.Record(ctx, "node", x.ID, x.Org, "enrolled", x)
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
