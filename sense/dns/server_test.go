package dns

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/event"
	"noroshi/indicator"
)

// run listens and answers until stop, or the end of the test.
func (r *rig) run() (stop func()) {
	r.Helper()
	r.start()
	if err := r.r.Listen(); err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- r.r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				r.Errorf("Run: %v", err)
			}
		case <-time.After(time.Minute):
			r.Error("Run does not end")
		}
	})
	r.Cleanup(stop)
	return stop
}

func exchange(t testing.TB, network, addr string, q *wire.Msg) *wire.Msg {
	t.Helper()
	c := wire.Client{Net: network, Timeout: time.Minute}
	m, _, err := c.Exchange(q, addr)
	if err != nil {
		t.Fatalf("%s %s: %v", network, addr, err)
	}
	return m
}

func needIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	l.Close()
}

func TestServesUDPAndTCPOnOnePort(t *testing.T) {
	r := newRig(t)
	r.cfg.Listen = []string{"127.0.0.1:0", "[::1]:0"}
	needIPv6(t)
	stop := r.run()
	r.book.set("bad.example", indicator.Block)
	for _, s := range r.r.udp {
		for _, network := range []string{"udp", "tcp"} {
			if got := short(exchange(t, network, s.local.String(), question("www.example", wire.TypeA))); got != "NOERROR 192.0.2.1" {
				t.Errorf("%s %s: %s", network, s.local, got)
			}
			if got := short(exchange(t, network, s.local.String(), question("bad.example", wire.TypeA))); got != "NXDOMAIN (Blocked)" {
				t.Errorf("%s %s: %s", network, s.local, got)
			}
		}
	}
	stop()
	if n := len(r.events); n != 8 {
		t.Errorf("%d events were written before the end, not 8", n)
	}
	if c, err := net.Dial("tcp", r.r.Addr().String()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

// A client takes an answer only from the address it asked.
func TestAnswersComeFromTheAddressThatWasAsked(t *testing.T) {
	needIPv6(t)
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		r := newRig(t)
		r.cfg.Listen = []string{listen}
		r.run()
		port := strconv.Itoa(int(r.r.Addr().Port()))
		for _, to := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
			if listen == "0.0.0.0:0" && to == "::1" {
				continue
			}
			q := question("www.example", wire.TypeA)
			if got := short(exchange(t, "udp", net.JoinHostPort(to, port), q)); got != "NOERROR 192.0.2.1" {
				t.Errorf("listening on %s, asked at %s: %s", listen, to, got)
			}
		}
	}
}

func TestOneConnectionCarriesManyQuestions(t *testing.T) {
	r := newRig(t)
	r.run()
	c, err := wire.Dial("tcp", r.r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 5 { // All at once: the answers keep the order.
		q := question("www.example", wire.TypeA)
		q.Id = uint16(i)
		if err := c.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		m, err := c.ReadMsg()
		if err != nil || int(m.Id) != i {
			t.Fatalf("answer %d: %v, %v", i, m, err)
		}
	}
	if _, err := c.Conn.Write([]byte{0, 3, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadMsg(); err == nil {
		t.Error("junk was answered")
	}
}

func TestOneClientCannotTakeAllConnections(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxTCP = 8
	r.run()
	var first, beyond net.Conn
	for i := range 3 {
		c, err := net.Dial("tcp", r.r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i == 0 {
			first = c
		}
		beyond = c
	}
	if err := beyond.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := beyond.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the third of two connections was not closed: %v", err)
	}
	c := wire.Conn{Conn: first}
	if err := c.WriteMsg(question("www.example", wire.TypeA)); err != nil {
		t.Fatal(err)
	}
	if m, err := c.ReadMsg(); err != nil || short(m) != "NOERROR 192.0.2.1" {
		t.Errorf("the first connection: %v, %v", m, err)
	}
}

func TestAddressInUseIsSaid(t *testing.T) {
	r := newRig(t)
	r.run()
	other := newRig(t)
	other.cfg.Listen = []string{"127.0.0.1:0", r.r.Addr().String()}
	other.start()
	if err := other.r.Listen(); err == nil {
		t.Fatal("two resolvers listen on one address")
	}
	if other.r.Addr() != (netip.AddrPort{}) {
		t.Error("the first socket stays open")
	}
}

// BenchmarkHandle is a cached answer and a blocked one, without sockets.
func BenchmarkHandle(b *testing.B) {
	for name, block := range map[string]bool{"cached": false, "blocked": true} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b).start()
			if block {
				r.book.set("www.example", indicator.Block)
			}
			packet, err := question("www.example", wire.TypeA).Pack()
			if err != nil {
				b.Fatal(err)
			}
			r.r.handle(b.Context(), packet, me)
			b.ReportAllocs()
			for b.Loop() {
				r.r.handle(b.Context(), packet, me)
			}
		})
	}
}

// BenchmarkServe is a cached answer over UDP on loopback, client included.
func BenchmarkServe(b *testing.B) {
	r := newRig(b)
	r.deps.Emit = func(*event.Event) error { return nil }
	r.run()
	packet, err := question("www.example", wire.TypeA).Pack()
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("udp", r.r.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		for pb.Next() {
			if _, err := c.Write(packet); err != nil {
				b.Error(err)
				return
			}
			if _, err := c.Read(buf); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
