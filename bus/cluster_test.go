package bus_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"noroshi/bus"
	"noroshi/ident"
)

// member is one hub's bus of a cluster.
type member struct {
	server *bus.Server
	hub    *bus.Hub
}

// cluster starts the servers of three hubs, as app does, on free ports.
func cluster(t *testing.T, layout bus.Layout) (*rig, []*member) {
	t.Helper()
	p := &rig{pki: newPKI(t), cut: map[string]bool{}}
	ports := make([]string, 3)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = l.Addr().String()
		l.Close()
	}
	all := make([]*member, 3)
	var wg sync.WaitGroup
	for i := range all {
		var others []string
		for j, a := range ports {
			if i != j {
				others = append(others, a)
			}
		}
		s, err := bus.NewServer(bus.ServerConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", MaxBytes: layout.MaxBytes, Name: fmt.Sprint("hub", i), TLS: p.mutual("hub"),
			Cluster: &bus.Cluster{Listen: ports[i], Hubs: others, TLS: p.mutual("hub")}}, p.deps())
		if err != nil {
			t.Fatal(err)
		}
		all[i] = &member{server: s}
		t.Cleanup(s.Close)
	}
	for _, m := range all {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var err error
			if m.hub, err = m.server.Hub(ctx, layout); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, m := range all {
		t.Cleanup(m.hub.Close)
	}
	return p, all
}

func (m *member) dial(t *testing.T, p *rig, name string) *bus.Client {
	t.Helper()
	c, err := bus.Dial(m.server.Addr(), nodes[name], &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: p.pool, Certificates: []tls.Certificate{p.issue(name)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	<-c.Changed()
	return c
}

// joined is the bus of three hubs, where nodes and the hub are at different ones.
func joined(t *testing.T) *rig {
	layout := bus.Layout{Partitions: 1, Replicas: 3, MaxBytes: 64 << 20, Readers: []string{bus.ReaderHub}}
	r, all := cluster(t, layout)
	r.addr, r.hub = all[0].server.Addr(), all[1].hub
	r.disconnect = func(id ident.ID) {
		for _, m := range all {
			m.server.Disconnect(id)
		}
	}
	receive(t, all[2].hub, bus.DefaultQuota)
	return r
}

var three = bus.Layout{Partitions: 2, Replicas: 3, MaxBytes: 64 << 20, Readers: []string{bus.ReaderJudge, bus.ReaderStore("a")}}

// TestClusterCarriesEverythingAndOutlivesAHub sends batches, frames and
// acknowledgements between nodes and hubs that are at different servers, then
// kills the server that the first hub and node are at.
func TestClusterCarriesEverythingAndOutlivesAHub(t *testing.T) {
	p, all := cluster(t, three)
	for _, m := range all {
		receive(t, m.hub, bus.DefaultQuota)
	}
	acks := make(chan string, 8)
	for i, m := range all {
		if err := m.hub.OnAck(func(from bus.Node, data []byte) { acks <- fmt.Sprint(i, " ", from.ID, " ", string(data)) }); err != nil {
			t.Fatal(err)
		}
	}
	a, b := all[0].dial(t, p, "a1"), all[1].dial(t, p, "b1")
	frames := make(chan string, 8)
	for name, c := range map[string]*bus.Client{"a1": a, "b1": b} {
		for _, feed := range []string{"real.all", "real.org_b"} {
			if _, err := c.Subscribe(feed, func(f []byte) { frames <- name + " " + feed + " " + string(f) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	until(t, "a frame of the third hub reaches the nodes of the two others, and only who may see it", func() bool {
		for _, f := range []string{"real.org_b", "real.all"} { // Interest takes a moment to spread.
			if err := all[2].hub.Publish(t.Context(), f, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		got := map[string]bool{}
		for wait := time.After(200 * time.Millisecond); ; {
			select {
			case f := <-frames:
				got[f] = true
				if f == "a1 real.org_b x" {
					t.Fatal("organisation a saw organisation b's feed")
				}
			case <-wait:
				return got["a1 real.all x"] && got["b1 real.all x"] && got["b1 real.org_b x"]
			}
		}
	})
	if err := a.Publish(t.Context(), "one", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := b.Ack(t.Context(), []byte("done")); err != nil {
		t.Fatal(err)
	}
	if got := <-acks; got[1:] != " nod_b1 done" || len(acks) != 0 {
		t.Errorf("the acknowledgement arrived as %q, and %d more times", got, len(acks))
	}
	all[0].hub.Close()
	all[0].server.Close()
	until(t, "the batch of a node at another hub becomes durable with two of three", func() bool {
		return b.Publish(t.Context(), "two", []byte("two")) == nil
	})
	// The partition that says something first may be either.
	found := make(chan string, 8)
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	for part := range 2 {
		r, err := all[2].hub.Read(t.Context(), bus.ReaderJudge, part)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		reading.Go(func() {
			for m, err := r.Next(ctx); err == nil; m, err = r.Next(ctx) {
				for _, x := range m.Batches {
					select {
					case found <- string(x.From.ID) + " " + string(x.Data):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	there := map[string]bool{}
	until(t, "both batches are there after a hub died", func() bool {
		select {
		case f := <-found:
			there[f] = true
		default:
		}
		return there["nod_a1 one"] && there["nod_b1 two"]
	})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		if ok() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen: ", what)
		}
	}
}

// TestAReadingBeginsWithTheMajority leaves one server, which may lack what another
// hub has read: nobody takes its word for what was there before.
func TestAReadingBeginsWithTheMajority(t *testing.T) {
	_, all := cluster(t, three)
	if _, err := all[0].hub.Read(t.Context(), bus.ReaderJudge, 0); err != nil {
		t.Fatal(err)
	}
	all[1].server.Close()
	all[2].server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if r, err := all[0].hub.Read(ctx, bus.ReaderJudge, 0); err == nil {
		r.Stop()
		t.Error("a reader begins with what one server of three says")
	}
}
