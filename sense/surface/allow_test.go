package surface

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"noroshi/ident"
	"noroshi/service"
)

// TestTheOwnersCapIsOneForAllSittings stops a run again and again: by its end, by
// a kill, and under another order.
func TestTheOwnersCapIsOneForAllSittings(t *testing.T) {
	file, run := filepath.Join(t.TempDir(), "log"), ident.ID("scn_x")
	s := scope(t, "rate: 1000", "rate: 30", "address: 3, network: 8, owner: 20", "address: 60000, network: 60000, owner: 100")
	if s.Caps.Owner != 100 {
		t.Fatalf("the cap is %d", s.Caps.Owner)
	}
	sit := func(want int64, end bool) {
		t.Helper()
		l, _, err := GoOn(file, s, run)
		if err != nil {
			t.Fatal(err)
		}
		g := NewGate(s)
		g.allow = l.Allow
		sent, at := int64(0), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		for sent < 40 {
			wait, why := g.Decide(at, target(t, "192.0.2.1:443"))
			if at = at.Add(wait); why == OwnerCap {
				break
			}
			if why != Allowed {
				t.Fatal(why)
			}
			if wait == 0 {
				sent++
			}
		}
		if sent != want {
			t.Errorf("%d are sent; want %d", sent, want)
		}
		if end {
			if err := l.End(Summary{Probes: sent}); err != nil {
				t.Fatal(err)
			}
		}
	}
	sit(40, true)
	sit(40, false) // It had leave for 60, and what it sent nobody says.
	sit(0, true)
	l, _, err := GoOn(file, s, "scn_y")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := l.Allow(1000); n != 100 || err != nil {
		t.Errorf("another run may send %d, %v", n, err)
	}
}

// TestWhoAsksNotToBeScannedIsCutOut lets the text exclude an address while it is
// talked to.
func TestWhoAsksNotToBeScannedIsCutOut(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	text, err := Exclude([]byte(sound), []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")})
	if err != nil {
		t.Fatal(err)
	}
	s := scope(t)
	g := NewGate(s)
	var told *Scope
	g.narrowed = func(n *Scope) { told = n }
	var conns []net.Conn
	for _, a := range []string{"192.0.2.1", "192.0.2.2"} {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		kept, err := g.keep(c, netip.MustParseAddr(a))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = kept.Close() }()
		conns = append(conns, kept)
	}
	s.reread = func(context.Context) ([]byte, error) { return text, nil }
	if !g.read(t.Context()) {
		t.Fatal("a narrower text withdraws the scope")
	}
	if told == nil || told.Digest() != digest(text) {
		t.Error("nobody is told of the narrower text")
	}
	if _, err := conns[0].Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("who is excluded is talked to: %v", err)
	}
	if _, err := conns[1].Write([]byte("x")); err != nil {
		t.Errorf("a neighbour is not talked to any more: %v", err)
	}
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	if _, why := g.Decide(at, target(t, "192.0.2.1:443")); why != IsExcluded {
		t.Errorf("who is excluded is %s", why)
	}
	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.keep(c, netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("a connection stands that was made while its address was excluded")
	}
	if !g.read(t.Context()) {
		t.Error("the same text again withdraws it")
	}
	text = []byte(sound) // The wish is gone; what is wider is another scope.
	if g.read(t.Context()) {
		t.Error("a wider text is gone on by")
	}
}

// TestANarrowerScanGoesOnWhereItWas narrows a running scan, and begins it again
// under the narrower text: nobody is met twice, and the excluded not at all.
func TestANarrowerScanGoesOnWhereItWas(t *testing.T) {
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	s := scope2([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/26")}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/32")})
	s.Ports, s.UDPPorts, s.Rate, s.digest = []uint16{netip.MustParseAddrPort(listener.Addr().String()).Port()}, nil, 32, "one"
	s.reread = func(context.Context) ([]byte, error) { return nil, nil }
	s.digest = digest(nil)
	file, run := filepath.Join(t.TempDir(), "log"), ident.ID("scn_x")
	met := map[netip.Addr]int{}
	sit := func(s *Scope, promises int) Summary {
		t.Helper()
		l, from, err := GoOn(file, s, run)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Mode: Connect, From: from, Found: func(p service.Port) { met[p.Address]++ }}
		l.Account(&o)
		o.Progress = func(p Position) bool { promises--; return promises >= 0 && l.Promise(p) }
		sum, err := Scan(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.End(sum); err != nil {
			t.Fatal(err)
		}
		return sum
	}
	first := sit(s, 1)
	if first.Ended != "unaccounted" || first.Position.Next != 32 {
		t.Fatalf("the first sitting is %+v", first)
	}
	var out netip.Addr
	for i := range 63 {
		if a := netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}); met[a] == 0 {
			out = a
			break
		}
	}
	narrower := *s
	narrower.Excluded = append(slices.Clone(s.Excluded), netip.PrefixFrom(out, 32))
	second := sit(&narrower, 9)
	if second.Ended != "done" || second.Targets != first.Targets || second.Refused["excluded"] != 1 {
		t.Errorf("the second sitting is %+v", second)
	}
	if len(met) != 62 || met[out] != 0 {
		t.Errorf("%d were met; %s, which is excluded, %d times", len(met), out, met[out])
	}
	for a, n := range met {
		if n > 1 {
			t.Errorf("%s was met %d times", a, n)
		}
	}
}

// TestANarrowerTextIsNoWithdrawal follows a text that excludes more, and then says
// something else.
func TestANarrowerTextIsNoWithdrawal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := atomic.Pointer[string]{}
		say := func(s string) { text.Store(&s) }
		say(sound)
		s, err := Follow(t.Context(), "the hub", func(context.Context) ([]byte, error) { return []byte(*text.Load()), nil })
		if err != nil {
			t.Fatal(err)
		}
		g := NewGate(s)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go g.Watch(ctx)
		less, err := Exclude([]byte(sound), []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")})
		if err != nil {
			t.Fatal(err)
		}
		say(string(less))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if g.withdrawn.Load() {
			t.Fatal("more exclusions withdraw the scope")
		}
		say(string(less) + "# \n")
		time.Sleep(time.Second)
		synctest.Wait()
		if !g.withdrawn.Load() {
			t.Error("another text does not")
		}
	})
}
