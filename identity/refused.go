package identity

import (
	"log"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"
)

// Refusal is why somebody was not let in.
type Refusal string

// The refusals, in the words that metrics use.
const (
	RefusedHandshake Refusal = "handshake"   // no TLS 1.3, no certificate of this authority, not in its time
	RefusedUnknown   Refusal = "unknown_key" // a certificate of this authority whose key nobody joined with
	RefusedRetired   Refusal = "retired_key"
	RefusedExpired   Refusal = "expired"
	RefusedCut       Refusal = "cut_off"
	RefusedToken     Refusal = "token"
	RefusedBusy      Refusal = "busy"
)

// Refusals are all of them.
var Refusals = [...]Refusal{RefusedHandshake, RefusedUnknown, RefusedRetired, RefusedExpired, RefusedCut, RefusedToken, RefusedBusy}

// refusals counts them.
type refusals struct {
	mu sync.Mutex
	n  map[Refusal]uint64
}

func (r *refusals) count(why Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = map[Refusal]uint64{}
	}
	r.n[why]++
}

// Refused counts who was refused, by reason, since the hub started.
func (n *Nodes) Refused() map[Refusal]uint64 {
	n.refused.mu.Lock()
	defer n.refused.mu.Unlock()
	return maps.Clone(n.refused.n)
}

// HandshakeLog is where the enrolment's HTTP server says that somebody did not
// get through the TLS handshake: each is counted, and one a second is logged, so
// that a stranger who sends garbage cannot fill the disk with the log of it.
func (n *Nodes) HandshakeLog(to *slog.Logger) *log.Logger {
	return log.New(&handshakeLog{n: n, to: to}, "", 0)
}

type handshakeLog struct {
	n  *Nodes
	to *slog.Logger

	mu      sync.Mutex
	last    time.Time
	between uint64
}

// maxLine bounds what a peer can put into one line of the log, in bytes.
const maxLine = 500

// Write takes a line of package net/http, which names the peer and the reason.
func (h *handshakeLog) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	if !strings.Contains(line, "TLS handshake error") {
		h.to.Debug("enrolment", "role", "hub", "says", line[:min(len(line), maxLine)])
		return len(p), nil
	}
	h.n.refused.count(RefusedHandshake)
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.n.d.Now(); now.Sub(h.last) >= time.Second {
		h.to.Warn("enrolment refused", "role", "hub", "why", line[:min(len(line), maxLine)], "unlogged_before", h.between)
		h.last, h.between = now, 0
	} else {
		h.between++
	}
	return len(p), nil
}
