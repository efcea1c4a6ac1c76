package identity

import (
	"context"
	"crypto/x509"
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
	ID       ident.ID  `json:"id"`
	Org      ident.ID  `json:"org"`
	Role     string    `json:"role"`
	Name     string    `json:"name"`
	SPKI     string    `json:"spki_sha256"`
	State    NodeState `json:"state"`
	Enrolled time.Time `json:"enrolled_at"`
	NotAfter time.Time `json:"not_after"`
	CutAt    time.Time `json:"cut_at,omitzero"`
	CutWhy   string    `json:"cut_why,omitempty"`
}

// Hub is what a token and an enrolment tell a node of the hub.
type Hub struct {
	Enrol string // host:port
	Bus   string // host:port
	Feeds func(org ident.ID) []string
}

// Nodes keeps the nodes and admits them. The bus asks at every connection, so
// they stand in memory too.
type Nodes struct {
	d   Deps
	ca  *CA
	hub Hub
	// OnCut is called after a node was cut off, so that the bus disconnects it at
	// once. It is set before anything is served.
	OnCut func(node ident.ID)

	mu     sync.RWMutex
	bySPKI map[string]Node
}

const nodeColumns = `SELECT id, org, role, name, spki_sha256, state, enrolled_at, not_after, cut_at, cut_why FROM node`

func scanNode(scan func(...any) error) (Node, error) {
	var x Node
	var enrolled, notAfter, cut int64
	err := scan(&x.ID, &x.Org, &x.Role, &x.Name, &x.SPKI, &x.State, &enrolled, &notAfter, &cut, &x.CutWhy)
	x.Enrolled, x.NotAfter, x.CutAt = ledger.Time(enrolled), ledger.Time(notAfter), ledger.Time(cut)
	return x, err
}

// OpenNodes reads the nodes.
func OpenNodes(ctx context.Context, d Deps, ca *CA, hub Hub) (*Nodes, error) {
	n := &Nodes{d: d, ca: ca, hub: hub, OnCut: func(ident.ID) {}, bySPKI: map[string]Node{}}
	list, err := n.query(ctx, nodeColumns)
	if err != nil {
		return nil, fault.Wrap("identity.nodes", err)
	}
	for _, x := range list {
		n.bySPKI[x.SPKI] = x
	}
	return n, nil
}

func (n *Nodes) query(ctx context.Context, query string, args ...any) (list []Node, err error) {
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, query, args...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			x, err := scanNode(scan)
			list = append(list, x)
			return err
		})
	})
	return list, err
}

// LookupSPKI finds a node by the fingerprint of its key; join.SPKI makes it.
// Only a node that joined at another hub of the platform is asked of the ledger.
func (n *Nodes) LookupSPKI(ctx context.Context, fingerprint string) (Node, error) {
	const op = "identity.lookup"
	n.mu.RLock()
	x, ok := n.bySPKI[fingerprint]
	n.mu.RUnlock()
	if ok {
		return x, nil
	}
	list, err := n.query(ctx, nodeColumns+` WHERE spki_sha256 = ?`, fingerprint)
	if err != nil {
		return Node{}, fault.As(fault.Unavailable, op, err, "the ledger is away")
	}
	if len(list) == 0 {
		return Node{}, fault.New(fault.NotFound, op, "the key belongs to no node that joined here")
	}
	return n.learn(list[0]), nil
}

// learn takes over what the ledger said of a node, unless this hub knows it by
// now: it may have cut the node off while the ledger was asked.
func (n *Nodes) learn(x Node) Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known, ok := n.bySPKI[x.SPKI]; ok {
		return known
	}
	n.bySPKI[x.SPKI] = x
	return x
}

// Admit tells whose certificate this is, if it may connect. The TLS handshake
// has verified its chain.
func (n *Nodes) Admit(ctx context.Context, cert *x509.Certificate) (Node, error) {
	const op = "identity.admit"
	x, err := n.LookupSPKI(ctx, join.SPKI(cert))
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return Node{}, fault.As(fault.Unauthenticated, op, err, "the certificate belongs to no node that joined here")
	case err != nil:
		return Node{}, err
	case x.State != NodeActive:
		return Node{}, fault.New(fault.Denied, op, "the node %s was cut off: %s", x.ID, x.CutWhy)
	case n.d.Now().After(x.NotAfter):
		return Node{}, fault.New(fault.Denied, op, "the certificate of the node %s has expired", x.ID)
	}
	return x, nil
}

// List returns the nodes of the organisations in scope, oldest first.
func (n *Nodes) List(ctx context.Context, s access.Scope) ([]Node, error) {
	in, args := ledger.In(s.Orgs())
	list, err := n.query(ctx, nodeColumns+` WHERE org IN `+in+` ORDER BY id`, args...)
	return list, fault.Wrap("identity.list", err)
}

const maxWhy = 1000 // bytes

// Cut ends a node's right to connect, at once and for ever. A node outside the
// scope is as unknown as one that never was.
func (n *Nodes) Cut(ctx context.Context, s access.Scope, id ident.ID, why string) error {
	const op = "identity.cut"
	if why == "" || len(why) > maxWhy {
		return fault.New(fault.Invalid, op, "say why the node is cut off, in at most %d bytes", maxWhy)
	}
	var x Node
	err := n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		x, err = scanNode(tx.QueryRow(ctx, nodeColumns+` WHERE id = ?`, id).Scan)
		if ledger.NoRows(err) || err == nil && !s.Allows(x.Org) {
			return fault.New(fault.NotFound, op, "there is no such node here")
		}
		if err != nil {
			return err
		}
		if x.State != NodeActive {
			return fault.New(fault.Conflict, op, "the node was cut off before: %s", x.CutWhy)
		}
		x.State, x.CutAt, x.CutWhy = NodeCut, n.d.Now(), why
		if _, err := tx.Exec(ctx, `UPDATE node SET state = ?, cut_at = ?, cut_why = ? WHERE id = ?`,
			x.State, ledger.Micros(x.CutAt), why, id); err != nil {
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
