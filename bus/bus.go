// Package bus carries everything that moves between stages and nodes. The hub
// embeds a NATS server with JetStream; nodes connect to it over TLS 1.3 with
// their own certificates. Each organisation has an account of its own in the
// server, and each node only the subjects that are its own:
//
//	obs.<org>.<node>     node → hub, request and reply: a batch of events; the reply means that it is durable
//	ack.<org>.<node>     node → hub: what it has enforced
//	sync.<org>.<node>    node → hub, request and reply: catch up with a feed
//	status.<org>.<node>  node → hub: how it is
//	feed.<feed>          hub → nodes that may see the feed: signed frames
//	bundle.<partition>   among hubs, durable: batches that became durable together
//	stage.<name>         among hubs, durable: from one stage to the next
//	judged.<partition>   among hubs: how far the judging is, for the receivers
//	live.<topic>         among hubs: something changed, for pages that watch and for what hubs remember
//
// The package moves bytes and knows the batch frame; what the bytes mean is the
// stages' business. App wires it.
package bus

import (
	"strings"

	"noroshi/fault"
	"noroshi/ident"
)

// Limits of the bus. MaxPayload is what one message may hold.
const (
	MaxPayload      = 1 << 20
	MaxBatchBytes   = 256 << 10 // compressed
	maxPending      = 64 << 20  // a slow reader is cut off beyond it, and catches up by sync
	inboxPrefix     = "_INBOX_"
	headerMessageID = "Nats-Msg-Id"
	headerError     = "Noroshi-Error"
)

// Node names a node and its organisation.
type Node struct {
	Org  ident.ID
	ID   ident.ID
	Name string
}

func (n Node) subject(verb string) string {
	return verb + "." + string(n.Org) + "." + string(n.ID)
}

// nodeOf reads the node from a subject of the form verb.org.node.
func nodeOf(subject string) (Node, error) {
	part := strings.Split(subject, ".")
	if len(part) != 3 {
		return Node{}, fault.New(fault.Invalid, "bus.subject", "the subject %q does not name an organisation and a node", subject)
	}
	return Node{Org: ident.ID(part[1]), ID: ident.ID(part[2])}, nil
}
