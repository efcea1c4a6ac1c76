package app

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/analyse/attribute"
	"noroshi/analyse/pdns"
	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/event"
	"noroshi/fault"
	"noroshi/ident"
)

// nameServer answers for a few names of city.example and counts its questions.
type nameServer struct {
	addr  string
	mu    sync.Mutex
	asked []string
}

func (n *nameServer) ServeDNS(w wire.ResponseWriter, q *wire.Msg) {
	name := strings.ToLower(q.Question[0].Name)
	n.mu.Lock()
	n.asked = append(n.asked, name)
	n.mu.Unlock()
	m := new(wire.Msg).SetReply(q)
	switch {
	case name == "www.city.example." && q.Question[0].Qtype == wire.TypeA:
		m.Answer = []wire.RR{&wire.A{Hdr: wire.RR_Header{Name: q.Question[0].Name, Rrtype: wire.TypeA, Class: wire.ClassINET}, A: net.IPv4(198, 51, 100, 1)}}
	case name != "www.city.example." && name != "city.example.":
		m.Rcode = wire.RcodeNameError
	}
	_ = w.WriteMsg(m) // A walk that ended does not read it.
}

func startNames(t *testing.T) *nameServer {
	t.Helper()
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n, up := &nameServer{addr: p.LocalAddr().String()}, make(chan struct{})
	s := &wire.Server{PacketConn: p, Handler: n, NotifyStartedFunc: func() { close(up) }}
	go func() { _ = s.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = s.Shutdown() })
	return n
}

func (n *nameServer) questions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.asked)
}

// TestTheHubWalksWhatOrganisationsDeclare: by itself, from passive DNS of the
// organisation's own resolvers, and by questions only with a resolver.
func TestTheHubWalksWhatOrganisationsDeclare(t *testing.T) {
	for name, active := range map[string]bool{"with a resolver": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			n, cfg := startNames(t), testConfig(t.TempDir())
			cfg.Hub.Organisations[1].Domains = []string{"city.example"}
			if active {
				cfg.Hub.Discovery.Resolver, cfg.Hub.Discovery.PerSecond = n.addr, 1000
			}
			h := startHub(t, cfg)
			own, err := h.h.orgs.BySlug(t.Context(), "ministry")
			if err != nil {
				t.Fatal(err)
			}
			other, err := h.h.orgs.BySlug(t.Context(), "hospital")
			if err != nil {
				t.Fatal(err)
			}
			names, err := pdns.Gather(t.Context(), h.h.db, "test")
			if err != nil {
				t.Fatal(err)
			}
			for o, host := range map[ident.ID]string{own.ID: "seen.city.example", other.ID: "secret.city.example"} {
				names.Observe(1, o, &event.Event{ClassUID: event.DNSActivity, Time: time.Now().UnixMilli(), Query: &event.DNSQueryInfo{Hostname: host}, Answers: []event.DNSAnswer{{Type: "A", RData: "198.51.100.2"}}})
			}
			names.Cut(1)
			if err := names.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			c := operator.Dial(Socket(cfg.DataDir))
			var run attribute.Walked
			if err := c.Post(t.Context(), "/api/v1/discoveries/runs", map[string]any{"org": own.ID}, &run); err != nil {
				t.Fatal(err)
			}
			until(t, "the walk that was asked for has ended", func() bool {
				var list api.Items[attribute.Walked]
				if err := c.Get(t.Context(), "/api/v1/discoveries/runs", &list); err != nil || len(list.Items) != 1 {
					return false
				}
				r := list.Items[0]
				return r.Began.After(r.Asked) && !r.Ended.Before(r.Began)
			})
			var p api.Page[attribute.Discovery, string]
			if err := c.Get(t.Context(), "/api/v1/discoveries", &p); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, d := range p.Items {
				got[d.Asset.Value] = fmt.Sprint(d.State, " ", d.Owner == own.ID, " ", len(d.Evidence))
			}
			want := map[string]string{"city.example": "certain true 0", "seen.city.example": "certain true 0", "198.51.100.2": "candidate false 0"}
			if active {
				want["www.city.example"], want["198.51.100.1"] = "certain true 0", "candidate false 0"
			}
			if !maps.Equal(got, want) {
				t.Errorf("found %v, not %v", got, want)
			}
			if asked := n.questions(); (asked > 0) != active {
				t.Errorf("the resolver was asked %d questions", asked)
			}
			err = c.Post(t.Context(), "/api/v1/discoveries/runs", map[string]any{"org": other.ID}, nil)
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("one that declares nothing is walked: %v", err)
			}
		})
	}
}
