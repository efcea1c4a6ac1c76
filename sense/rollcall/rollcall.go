// Package rollcall knows how every node is: nodes report once in a few seconds,
// the hub keeps the newest report of each. A node that stops reporting is away.
// The reports live in memory only; after a restart of the hub they are back
// within one interval. Nodes call Report's marshalling through the bus, app
// feeds the Roll, the API reads it.
package rollcall

import (
	"encoding/json"
	"sync"
	"time"

	"noroshi/bus"
	"noroshi/fault"
	"noroshi/ident"
)

// Interval is how often a node reports; after Away without a report it is away.
const (
	Interval = 3 * time.Second
	Away     = 4 * Interval
)

// Report is what a node says of itself. Counters are since it started.
type Report struct {
	Role    string    `json:"role"` // sensor or resolver
	Version string    `json:"version"`
	Tier    string    `json:"tier,omitempty"`
	Addr    string    `json:"addr,omitempty"` // where it serves, for a resolver
	At      time.Time `json:"at"`             // by the node's clock
	Started time.Time `json:"started"`

	Events      uint64   `json:"events"`            // seen and written down
	Dropped     uint64   `json:"dropped"`           // seen or missed by the kernel, and lost
	Quarantined uint64   `json:"quarantined"`       // spoiled pieces of its own spool
	Spooled     int64    `json:"spooled"`           // bytes waiting for the hub
	OldestMS    int64    `json:"oldest_ms"`         // age of the oldest event waiting
	BatchMS     float64  `json:"batch_ms"`          // how long the hub took for the newest batch
	Queries     uint64   `json:"queries,omitempty"` // resolver
	Blocked     uint64   `json:"blocked,omitempty"`
	Malformed   uint64   `json:"malformed,omitempty"`
	Limits      []string `json:"limits,omitempty"` // what it cannot see, in sentences
}

const maxReport = 32 << 10

// State is the newest report of a node and what the hub knows of it.
type State struct {
	Report
	Org       ident.ID
	Node      ident.ID
	LastSeen  time.Time     // by the hub's clock
	Skew      time.Duration // hub's clock less node's, an upper bound
	PerSecond float64       // events between the last two reports
}

// Roll keeps the newest state of each node.
type Roll struct {
	now func() time.Time
	mu  sync.RWMutex
	all map[ident.ID]State
}

// New makes an empty roll.
func New(now func() time.Time) *Roll {
	return &Roll{now: now, all: map[ident.ID]State{}}
}

// Take reads one report. Garbage is an error and changes nothing.
func (r *Roll) Take(from bus.Node, data []byte) error {
	if len(data) > maxReport {
		return fault.New(fault.TooLarge, "rollcall.take", "the report is %d bytes; at most %d are allowed", len(data), maxReport)
	}
	var rep Report
	if err := json.Unmarshal(data, &rep); err != nil {
		return fault.As(fault.Invalid, "rollcall.take", err, "the node's report is not the expected JSON")
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.all[from.ID]
	s := State{Report: rep, Org: from.Org, Node: from.ID, LastSeen: now, Skew: now.Sub(rep.At)}
	if known && rep.Events >= old.Events && now.After(old.LastSeen) {
		s.PerSecond = float64(rep.Events-old.Events) / now.Sub(old.LastSeen).Seconds()
	}
	r.all[from.ID] = s
	return nil
}

// Get returns the newest state of a node.
func (r *Roll) Get(node ident.ID) (State, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.all[node]
	return s, ok
}

// Here tells whether the node reported lately.
func (r *Roll) Here(node ident.ID) bool {
	s, ok := r.Get(node)
	return ok && r.now().Sub(s.LastSeen) < Away
}

// Forget drops a node that was cut off.
func (r *Roll) Forget(node ident.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, node)
}
