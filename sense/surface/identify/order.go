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
}

// ways are tried in this order at a port that no way has as its own.
var ways = []way{
	{(*asking).banner, nil},
	{(*asking).web, []uint16{80, 631, 2379, 2812, 3128, 3142, 8000, 8008, 8080, 8081, 8086, 8088, 8118, 8123, 8200, 8888, 9000, 9090, 9100}},
	{(*asking).overTLS, []uint16{443, 465, 636, 853, 993, 995, 4443, 8443, 8883}},
	{(*asking).nameserver, []uint16{53}},
	{(*asking).postgres, []uint16{5432}},
	{(*asking).redis, []uint16{6379}},
	{(*asking).memcached, []uint16{11211}},
	{(*asking).mqtt, []uint16{1883}},
	{(*asking).smb, []uint16{445}},
	{(*asking).rdp, []uint16{3389}},
	{(*asking).ldap, []uint16{389}},
	{(*asking).amqp, []uint16{5672}},
	{(*asking).sip, []uint16{5060}},
	{(*asking).stun, []uint16{3478}},
	{(*asking).beanstalk, []uint16{11300}},
	{(*asking).gearman, []uint16{4730}},
	{(*asking).clamd, []uint16{3310}},
	{(*asking).zookeeper, []uint16{2181}},
	{(*asking).nut, []uint16{3493}},
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
		} else {
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
