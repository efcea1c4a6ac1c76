package identity

import (
	"context"
	"sync"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
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

// Node is a machine that joined. SPKI, Issued and NotAfter are its newest
// certificate's.
type Node struct {
	ID       ident.ID  `json:"id"`
	Org      ident.ID  `json:"org"`
	Role     string    `json:"role"`
	Name     string    `json:"name"`
	SPKI     string    `json:"spki_sha256"`
	State    NodeState `json:"state"`
	Enrolled time.Time `json:"enrolled_at"`
	Issued   time.Time `json:"issued_at"`
	NotAfter time.Time `json:"not_after"`
	CutAt    time.Time `json:"cut_at,omitzero"`
	CutWhy   string    `json:"cut_why,omitempty"`
}

// Overdue tells that a node that may connect should have renewed its
// certificate long ago: it tries from two thirds of its life on.
func (x Node) Overdue(now time.Time) bool {
	return x.State == NodeActive && now.After(x.Issued.Add(x.NotAfter.Sub(x.Issued)/6*5))
}

// DefaultNodeLife is how long a node's certificate lasts when nobody says
// otherwise.
const DefaultNodeLife = 90 * 24 * time.Hour

// Hub is what a token and an enrolment tell a node of the hub.
type Hub struct {
	Enrol string // host:port
	Bus   string // host:port
	Feeds func(org ident.ID) []string
	// Life is how long a node's certificate lasts; 0 is DefaultNodeLife. A node
	// renews it at two thirds.
	Life time.Duration
}

// Nodes keeps the nodes and admits them. The bus asks at every connection, so
// they stand in memory too, and Refresh keeps them as the ledger has them.
type Nodes struct {
	d   Deps
	ca  *CA
	hub Hub
	// OnCut is called after a node was cut off, by whichever hub, so that the bus
	// disconnects it at once; OnRetire after a key of a node was replaced, so that
	// nobody stays connected by the old one. They are set before anything is
	// served, and must not call Nodes.
	OnCut, OnRetire func(node ident.ID)

	looking sync.Mutex // one look into the ledger at a time; edition is its own
	edition int64

	mu     sync.RWMutex
	looked time.Time // when the last look began, whether the ledger answered or not
	byID   map[ident.ID]*member
	bySPKI map[string]*member

	refused refusals
}

// member is a node with its keys, as of one change. It does not change: a new
// one takes its place.
type member struct {
	Node
	changed int64
	keys    map[string]nodeKey // by SPKI
}

// nodeKey is what the ledger knows of one key of a node.
type nodeKey struct {
	issued, notAfter, retired time.Time
}

// OpenNodes reads the nodes.
func OpenNodes(ctx context.Context, d Deps, ca *CA, hub Hub) (*Nodes, error) {
	if hub.Life == 0 {
		hub.Life = DefaultNodeLife
	}
	n := &Nodes{d: d, ca: ca, hub: hub, OnCut: func(ident.ID) {}, OnRetire: func(ident.ID) {},
		byID: map[ident.ID]*member{}, bySPKI: map[string]*member{}, edition: -1} // Nodes of before there were numbers have 0.
	return n, n.Refresh(ctx)
}

// members reads nodes with their keys; where narrows the node n.
func members(ctx context.Context, q ledger.Queryer, where string, args ...any) (list []*member, err error) {
	rows, err := q.Query(ctx, `SELECT n.id, n.org, n.role, n.name, n.spki_sha256, n.state, n.enrolled_at, n.cut_at, n.cut_why, n.changed,
		k.spki_sha256, k.issued_at, k.not_after, k.retired_at FROM node n JOIN node_key k ON k.node = n.id WHERE `+where+` ORDER BY n.id`, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var x member
		var spki string
		var enrolled, cut, issued, notAfter, retired int64
		if err := scan(&x.ID, &x.Org, &x.Role, &x.Name, &x.SPKI, &x.State, &enrolled, &cut, &x.CutWhy, &x.changed,
			&spki, &issued, &notAfter, &retired); err != nil {
			return err
		}
		if len(list) == 0 || list[len(list)-1].ID != x.ID {
			x.Enrolled, x.CutAt, x.keys = ledger.Time(enrolled), ledger.Time(cut), map[string]nodeKey{}
			list = append(list, &x)
		}
		m, k := list[len(list)-1], nodeKey{ledger.Time(issued), ledger.Time(notAfter), ledger.Time(retired)}
		m.keys[spki] = k
		if spki == m.SPKI {
			m.Issued, m.NotAfter = k.issued, k.notAfter
		}
		return nil
	})
	return list, err
}

// memberByID reads one node, whom the caller knows to be there.
func memberByID(ctx context.Context, q ledger.Queryer, id ident.ID) (*member, error) {
	list, err := members(ctx, q, `n.id = ?`, id)
	if err == nil && len(list) == 0 {
		return nil, fault.New(fault.NotFound, "identity.node", "there is no such node here")
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// List returns the nodes of the organisations in scope, oldest first.
func (n *Nodes) List(ctx context.Context, s access.Scope) (out []Node, err error) {
	in, args := ledger.In(s.Orgs())
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		list, err := members(ctx, q, `n.org IN `+in, args...)
		for _, m := range list {
			out = append(out, m.Node)
		}
		return err
	})
	return out, fault.Wrap("identity.list", err)
}

const maxWhy = 1000 // bytes

// Cut ends a node's right to connect, at once and for ever. A node outside the
// scope is as unknown as one that never was.
func (n *Nodes) Cut(ctx context.Context, s access.Scope, id ident.ID, why string) error {
	const op = "identity.cut"
	if why == "" || len(why) > maxWhy {
		return fault.New(fault.Invalid, op, "say why the node is cut off, in at most %d bytes", maxWhy)
	}
	var m *member
	err := n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		m, err = memberByID(ctx, tx, id)
		if err == nil && !s.Allows(m.Org) {
			return fault.New(fault.NotFound, op, "there is no such node here")
		}
		if err != nil {
			return err
		}
		if m.State != NodeActive {
			return fault.New(fault.Conflict, op, "the node was cut off before: %s", m.CutWhy)
		}
		return n.cut(ctx, tx, m, why)
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	n.learn(m)
	return nil
}

// cut writes that a node is cut off.
func (n *Nodes) cut(ctx context.Context, tx *ledger.Tx, m *member, why string) (err error) {
	m.State, m.CutAt, m.CutWhy = NodeCut, n.d.Now(), why
	if m.changed, err = nodesEdition.Next(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE node SET state = ?, cut_at = ?, cut_why = ?, changed = ? WHERE id = ?`,
		m.State, ledger.Micros(m.CutAt), why, m.changed, m.ID); err != nil {
		return err
	}
	return tx.Record(ctx, "node", m.ID, m.Org, "cut", m.Node)
}
