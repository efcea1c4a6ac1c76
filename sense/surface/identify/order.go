package identify

import (
	"context"
	"slices"
	"sync"

	"noroshi/service"
)

// way is one way of asking, and the ports at which it is the usual one. It says
// whether the port was recognised by it.
type way struct {
	ask   func(*asking) bool
	ports []uint16
	only  bool // elsewhere it is not tried
}

// ways are tried in this order at a port that no way has as its own.
var ways = []way{
	{(*asking).banner, nil, false},
	{(*asking).web, []uint16{80, 631, 2375, 2379, 2812, 3128, 3142, 5601, 5984, 5985, 8000, 8008, 8080, 8081, 8086, 8088, 8118, 8123, 8200, 8500, 8888, 9000, 9090, 9100, 9200, 15672}, false},
	{(*asking).overTLS, []uint16{443, 465, 636, 853, 993, 995, 4443, 8443, 8883}, false},
	{(*asking).nameserver, []uint16{53}, false},
	{(*asking).postgres, []uint16{5432}, false},
	{(*asking).redis, []uint16{6379}, false},
	{(*asking).memcached, []uint16{11211}, false},
	{(*asking).mqtt, []uint16{1883}, false},
	{(*asking).smb, []uint16{445}, false},
	{(*asking).rdp, []uint16{3389}, false},
	{(*asking).ldap, []uint16{389}, false},
	{(*asking).amqp, []uint16{5672}, false},
	{(*asking).sip, []uint16{5060}, false},
	{(*asking).stun, []uint16{3478}, false},
	{(*asking).beanstalk, []uint16{11300}, false},
	{(*asking).gearman, []uint16{4730}, false},
	{(*asking).clamd, []uint16{3310}, false},
	{(*asking).zookeeper, []uint16{2181}, false},
	{(*asking).nut, []uint16{3493}, false},
	{(*asking).mongo, []uint16{27017, 27018, 27019}, true},
	{(*asking).mssql, []uint16{1433}, true},
	{(*asking).portmap, []uint16{111}, true},
}

// together is how many ways are tried at once, each by its own connection: a
// server that waits for the rest of what it takes for its own protocol would
// else hold everybody up.
const together = 4

// rounds are the ways for a port: its own first, then a server that speaks first
// is waited for, then the others.
func rounds(port uint16) (all [][]way) {
	var rest []way
	for _, w := range ways[1:] {
		if slices.Contains(w.ports, port) {
			all = append(all, []way{w})
		} else if !w.only {
			rest = append(rest, w)
		}
	}
	all = append(all, ways[:1])
	if !slices.Contains(ways[1].ports, port) {
		// Many a small web server serves one connection at a time: another beside this
		// one would be in its way.
		all, rest = append(all, rest[:1]), rest[1:]
	}
	return slices.AppendSeq(all, slices.Chunk(rest, together))
}

// try asks in several ways at once; the first that recognises the port ends the
// others, and what it found is what counts.
func (a *asking) try(round []way) bool {
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		found bool
		fresh = *a // taken before the first answers, for answers are written to a
	)
	fresh.ctx = ctx
	for _, w := range round {
		one := fresh
		one.s = service.Answer{Evidence: map[string]string{}}
		all.Go(func() {
			known := w.ask(&one)
			mu.Lock()
			defer mu.Unlock()
			if found {
				return
			}
			if found = known; known {
				a.s = one.s
				cancel()
				return
			}
			for k, v := range one.s.Evidence {
				a.s.Evidence[k] = v
			}
		})
	}
	all.Wait()
	return found
}
