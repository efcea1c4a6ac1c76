// Package push is the hub's side of sharing: feeds of indicators, each a
// sequence of changes with the digest of the whole set after every one. What is
// to change is written to the ledger in the transaction that decides it, gets its
// place in the sequence when its turn comes, is pushed, and every edge says when
// it enforces it. An edge that was away catches up from the
// ledger. Who may see an indicator decides in which feeds it stands. It decides
// nothing; package intel calls Enqueue, app joins it with the bus, share/edge is
// the other side.
//
// Of several hubs on one ledger, one runs Run, which pushes; all answer edges
// (HandleSync), take their acknowledgements (HandleAck) and write them down
// (Acknowledge). Nothing that one of them needs is in the memory of another.
package push

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"strings"
	"sync"
	"time"

	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/org"
)

// Wire carries frames to whoever may see the feed. A frame may be lost: the
// next one, or the heartbeat, shows the gap.
type Wire interface {
	Publish(ctx context.Context, feed string, frame []byte) error
}

// Edge is a node that enforces.
type Edge struct {
	Node, Org ident.ID
	Name      string
	Joined    time.Time
	Here      bool // it reported lately
}

// Deps is what the stage works with.
type Deps struct {
	DB    *ledger.DB
	Wire  Wire
	Key   ed25519.PrivateKey
	Tree  func() *org.Tree
	Edges func() []Edge
	Now   func() time.Time
	Log   *slog.Logger
}

// Push keeps the feeds.
type Push struct {
	d    Deps
	kick chan struct{}
	// OnAck is called after acknowledgements became durable.
	OnAck func(nodes []ident.ID)
	// OnHop hears how long a change took over one hop of sharing.
	OnHop  func(hop string, took time.Duration)
	timing *timing

	mu   sync.Mutex
	acks []arrival // waiting to be written

	sealed sealed
}

// New makes the stage; Run pushes.
func New(d Deps) *Push {
	return &Push{d: d, kick: make(chan struct{}, 1), OnAck: func([]ident.ID) {}, OnHop: func(string, time.Duration) {}, timing: newTiming()}
}

const everyone = "all"

// FeedsFor lists the feeds that an organisation may read.
func FeedsFor(o ident.ID) []string {
	return []string{"real." + everyone, "real." + string(o), "exercise." + everyone, "exercise." + string(o)}
}

// reads tells whether a feed, which is one of somebody's, is for an organisation.
func reads(o ident.ID, feed string) bool {
	_, target, _ := strings.Cut(feed, ".")
	return target == everyone || target == string(o)
}

type head struct {
	seq    uint64
	digest string
}

// heads reads where feeds are.
func heads(ctx context.Context, q ledger.Queryer, where string, args ...any) (map[string]head, error) {
	out := map[string]head{}
	rows, err := q.Query(ctx, `SELECT name, seq, digest FROM feed WHERE `+where, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var name, digest string
		var seq int64
		err := scan(&name, &seq, &digest)
		out[name] = head{uint64(seq), digest}
		return err
	})
	return out, err
}
