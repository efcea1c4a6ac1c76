package identity

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity/join"
	"noroshi/ledger"
)

// Roles of nodes.
const (
	Sensor   = "sensor"
	Resolver = "resolver"
)

// NodeState is whether a node may connect.
type NodeState string

// The states.
const (
	NodeActive NodeState = "active"
	NodeCut    NodeState = "cut"
)

// Node is a machine that joined.
type Node struct {
	ID       ident.ID
	Org      ident.ID
	Role     string
	Name     string
	SPKI     string
	State    NodeState
	Enrolled time.Time
	NotAfter time.Time
	CutAt    time.Time
	CutWhy   string
}

// Hub is what a token and an enrolment tell a node of the hub.
type Hub struct {
	Enrol string // host:port
	Bus   string // host:port
	Feeds func(org ident.ID) []string
}

// Nodes keeps the nodes and admits them.
type Nodes struct {
	d   Deps
	ca  *CA
	hub Hub
	// OnCut is called after a node was cut off, so that the bus disconnects it.
	OnCut func(node ident.ID)

	mu     sync.RWMutex
	bySPKI map[string]Node
}

// OpenNodes reads the nodes.
func OpenNodes(ctx context.Context, d Deps, ca *CA, hub Hub) (*Nodes, error) {
	n := &Nodes{d: d, ca: ca, hub: hub, OnCut: func(ident.ID) {}, bySPKI: map[string]Node{}}
	err := d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT id, org, role, name, spki_sha256, state, enrolled_at, not_after, cut_at, cut_why FROM node`)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var x Node
			var enrolled, notAfter, cut int64
			if err := scan(&x.ID, &x.Org, &x.Role, &x.Name, &x.SPKI, &x.State, &enrolled, &notAfter, &cut, &x.CutWhy); err != nil {
				return err
			}
			x.Enrolled, x.NotAfter, x.CutAt = ledger.Time(enrolled), ledger.Time(notAfter), ledger.Time(cut)
			n.bySPKI[x.SPKI] = x
			return nil
		})
	})
	return n, fault.Wrap("identity.nodes", err)
}

// Admit tells whose certificate this is. The bus verified its chain.
func (n *Nodes) Admit(cert *x509.Certificate) (Node, error) {
	n.mu.RLock()
	x, ok := n.bySPKI[join.SPKI(cert)]
	n.mu.RUnlock()
	switch {
	case !ok:
		return Node{}, fault.New(fault.Unauthenticated, "identity.admit", "the certificate belongs to no node that joined here")
	case x.State != NodeActive:
		return Node{}, fault.New(fault.Denied, "identity.admit", "the node %s was cut off: %s", x.ID, x.CutWhy)
	case n.d.Now().After(x.NotAfter):
		return Node{}, fault.New(fault.Denied, "identity.admit", "the certificate of the node %s has expired", x.ID)
	}
	return x, nil
}

// List returns the nodes of the organisations in scope.
func (n *Nodes) List(s access.Scope) []Node {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var out []Node
	for _, x := range n.bySPKI {
		if s.Allows(x.Org) {
			out = append(out, x)
		}
	}
	return out
}

// MaxTokenLife bounds how long a token may wait to be used.
const MaxTokenLife = 24 * time.Hour

// NewToken makes a token with which one node joins an organisation once.
func (n *Nodes) NewToken(ctx context.Context, s access.Scope, org ident.ID, role string, life time.Duration) (string, time.Time, error) {
	const op = "identity.token"
	if !s.Allows(org) {
		return "", time.Time{}, fault.New(fault.NotFound, op, "there is no such organisation here")
	}
	if role != Sensor && role != Resolver {
		return "", time.Time{}, fault.New(fault.Invalid, op, "%q is not a role of a node (sensor, resolver)", role)
	}
	if life <= 0 || life > MaxTokenLife {
		return "", time.Time{}, fault.New(fault.Invalid, op, "a token may wait for at most %s", MaxTokenLife)
	}
	secret, hash, err := newSecret()
	if err != nil {
		return "", time.Time{}, err
	}
	expires := n.d.Now().Add(life)
	err = n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO enrol_token (hash, org, role, made_by, expires_at, used_at) VALUES (?,?,?,?,?,0)`,
			hash, string(org), role, s.Actor(), ledger.Micros(expires)); err != nil {
			return err
		}
		return tx.Record(ctx, "enrol_token", ident.ID(hash[:16]), org, "made", map[string]any{"role": role, "expires": expires})
	})
	return join.Token{Hub: n.hub.Enrol, CA: n.ca.Fingerprint(), Secret: secret}.String(), expires, fault.Wrap(op, err)
}

// Redeem turns a token's secret and a certificate request into a node. A secret
// works once: the row is marked in the same transaction that makes the node.
func (n *Nodes) Redeem(ctx context.Context, r join.Request) (*join.Enrolment, error) {
	const op = "identity.redeem"
	csr, err := parseCSR(r.CSR)
	if err != nil {
		return nil, err
	}
	if r.Name == "" || len(r.Name) > 200 {
		return nil, fault.New(fault.Invalid, op, "the node's name is missing or longer than 200 bytes")
	}
	x := Node{ID: n.d.Ident.New(ident.Node), Name: r.Name, State: NodeActive, Enrolled: n.d.Now()}
	var cert *x509.Certificate
	err = n.d.DB.Write(ctx, "node:"+string(x.ID), func(tx *ledger.Tx) error {
		now := ledger.Micros(n.d.Now())
		hash := hashOf(r.Secret)
		res, err := tx.Exec(ctx, `UPDATE enrol_token SET used_at = ? WHERE hash = ? AND used_at = 0 AND expires_at > ?`, now, hash, now)
		if err := ledger.Changed(res, err); err != nil {
			return fault.New(fault.Denied, op, "the token is unknown, was used before, or has expired")
		}
		if err := tx.QueryRow(ctx, `SELECT org, role FROM enrol_token WHERE hash = ?`, hash).Scan(&x.Org, &x.Role); err != nil {
			return err
		}
		if cert, err = n.ca.issueNode(csr, x.ID, x.Org); err != nil {
			return err
		}
		x.SPKI, x.NotAfter = join.SPKI(cert), cert.NotAfter
		if _, err := tx.Exec(ctx, `INSERT INTO node (id, org, role, name, spki_sha256, state, enrolled_at, not_after, cut_at, cut_why) VALUES (?,?,?,?,?,?,?,?,0,'')`,
			string(x.ID), string(x.Org), x.Role, x.Name, x.SPKI, string(x.State), ledger.Micros(x.Enrolled), ledger.Micros(x.NotAfter)); err != nil {
			return err
		}
		return tx.Record(ctx, "node", x.ID, x.Org, "enrolled", x)
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	n.mu.Lock()
	n.bySPKI[x.SPKI] = x
	n.mu.Unlock()
	return &join.Enrolment{Node: x.ID, Org: x.Org, Role: x.Role, Name: x.Name, NotAfter: x.NotAfter,
		Cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})), CA: string(n.ca.PEM()),
		Bus: n.hub.Bus, Feeds: n.hub.Feeds(x.Org), FeedKey: publicOf(n.ca.FeedKey())}, nil
}

// Cut ends a node's right to connect, at once.
func (n *Nodes) Cut(ctx context.Context, s access.Scope, id ident.ID, why string) error {
	const op = "identity.cut"
	if why == "" || len(why) > 1000 {
		return fault.New(fault.Invalid, op, "say why the node is cut off, in at most 1,000 bytes")
	}
	n.mu.RLock()
	var x Node
	for _, y := range n.bySPKI {
		if y.ID == id && s.Allows(y.Org) {
			x = y
		}
	}
	n.mu.RUnlock()
	if x.ID == "" {
		return fault.New(fault.NotFound, op, "there is no such node here")
	}
	x.State, x.CutAt, x.CutWhy = NodeCut, n.d.Now(), why
	err := n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		if err := ledger.Changed(tx.Exec(ctx, `UPDATE node SET state = 'cut', cut_at = ?, cut_why = ? WHERE id = ? AND state = 'active'`,
			ledger.Micros(x.CutAt), why, string(id))); err != nil {
			return err
		}
		return tx.Record(ctx, "node", id, x.Org, "cut", x)
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	n.mu.Lock()
	n.bySPKI[x.SPKI] = x
	n.mu.Unlock()
	n.OnCut(id)
	return nil
}
