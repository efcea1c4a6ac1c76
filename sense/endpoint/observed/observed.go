// Package observed is what the sensor's tiers hand over: a bare fact of the
// kernel, before it becomes an event. Only sense/endpoint and its tiers use it.
package observed

import (
	"net/netip"
	"time"
)

// Kind is what happened.
type Kind uint8

// The kinds.
const (
	Exec Kind = iota + 1
	Exit
	Connect
	Accept
	DNS
)

// Fact is one thing that happened.
type Fact struct {
	Kind    Kind
	At      time.Time
	PID     int
	PPID    int
	UID     int
	Start   time.Duration // of the process, since boot; with the pid it is unique
	Comm    string
	File    string   // what was executed, as the caller named it
	Args    []string // of an exec
	Cut     bool     // there were more arguments than could be copied
	Code    int      // of an exit
	Local   netip.AddrPort
	Remote  netip.AddrPort
	Payload []byte // of a DNS query
}

// Stats counts what a tier saw and lost.
type Stats struct {
	Seen, Dropped, Unreadable uint64
}
