package identity

import (
	"noroshi/ident"
	"noroshi/identity/join"
)

// What tests of package identity_test reach inside for.
var (
	ReadRequest = readRequest[join.Request]
	ReadRenewal = readRequest[join.Renewal]
	Learn       = (*Nodes).learn
)

// Known is what a hub has of a node in memory.
func Known(n *Nodes, id ident.ID) *member { n.mu.RLock(); defer n.mu.RUnlock(); return n.byID[id] }
