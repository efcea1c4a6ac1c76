package surface

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

const sound = `owner: Laboratory
contact: lab@example.jp
legal_basis: own systems
proof: {kind: letter, reference: drawer 3, recorded_by: [Hanako, Taro]}
ranges: [192.0.2.0/28, "2001:db8::/124"]
excluded: [192.0.2.4/30]
ports: [443, 22]
udp_ports: [53]
rate: 1000
caps: {address: 3, network: 8, owner: 20}
valid_until: 2027-01-01T00:00:00Z
`

func scope(t testing.TB, changes ...string) *Scope {
	t.Helper()
	s, err := Parse([]byte(strings.NewReplacer(changes...).Replace(sound)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAScopeThatLeavesAnythingOpenIsRefused(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"owner: Laboratory", "owner: ' '", "owner"},
		{"owner: Laboratory", "owner: Laboratory\nsurvey: devices", "survey"},
		{"contact: lab@example.jp\n", "", "contact"},
		{"legal_basis: own systems\n", "", "legal_basis"},
		{"[Hanako, Taro]", "[Hanako, hanako]", "two different people"},
		{"kind: letter", "kind: word", "kind of proof"},
		{"excluded:", "exclude:", "exclude"},
		{"192.0.2.0/28", "192.0.2.1/28", "bits behind"},
		{"2001:db8::/124", "2001:db8::/32", "more than"},
		{"2001:db8::/124", "::ffff:10.0.0.0/112", "IPv6 clothes"},
		{"[443, 22]", "[443, 443]", "twice"},
		{"[443, 22]", "[0]", "no port"},
		{"ports: [443, 22]\nudp_ports: [53]\n", "", "ports"},
		{"[53]", "[53, 53]", "udp_ports"},
		{"rate: 1000", "rate: 0", "rate"},
		{"owner: 20}", "owner: 0}", "caps"},
		{"valid_until: 2027-01-01T00:00:00Z\n", "", "valid_until"},
		{"rate: 1000", "rate: 1000\nhours: [{zone: Asia/Tokyo, from: '22:00', to: '25:00'}]", "25:00"},
		{"rate: 1000", "rate: 1000\nhours: [{zone: Mars, from: '22:00', to: '23:00'}]", "Mars"},
		{"excluded: [192.0.2.4/30]", `excluded: [0.0.0.0/0, "::/0"]`, "leave nothing"},
		{"rate: 1000", "rate: 1000\n---\nowner: Other", "one YAML document"},
	} {
		_, err := Parse([]byte(strings.Replace(sound, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s → %s: %v; want it to say %q", c.from, c.to, err, c.want)
		}
	}
	scope(t)
}

// TestTheGateAndTheTargetsAgree compares three ways to say what is in a scope:
// the numbers of its targets, the gate's tables, and the ranges one by one.
func TestTheGateAndTheTargetsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
			if rapid.Bool().Draw(t, "six") {
				return netip.PrefixFrom(plus(netip.MustParseAddr("2001:db8::fff0"), rapid.Uint64Range(0, 40).Draw(t, "host")), rapid.IntRange(120, 128).Draw(t, "bits")).Masked()
			}
			return netip.PrefixFrom(plus(netip.MustParseAddr("10.0.0.250"), rapid.Uint64Range(0, 40).Draw(t, "host")), rapid.IntRange(25, 32).Draw(t, "bits")).Masked()
		})
		s := scope2(rapid.SliceOfN(prefix, 1, 6).Draw(t, "ranges"), rapid.SliceOfN(prefix, 0, 6).Draw(t, "excluded"))
		p, err := newSpace(s)
		if err != nil {
			return // Everything is excluded.
		}
		in := func(list []netip.Prefix, a netip.Addr) bool {
			for _, r := range list {
				if r.Contains(a) {
					return true
				}
			}
			return false
		}
		g, now, met := NewGate(s), time.Unix(1_800_000_000, 0), map[Target]bool{}
		for n := range p.size() {
			to := p.at(n)
			if back, ok := p.number(to); !ok || back != n || met[to] {
				t.Fatalf("%d is %s, which is %d, %v; seen %v", n, to, back, ok, met[to])
			}
			met[to] = true
		}
		for _, base := range []string{"10.0.0.0", "10.0.1.0", "2001:db8::ff00", "2001:db8::1:0"} {
			for i := range uint64(256) {
				to := Target{netip.AddrPortFrom(plus(netip.MustParseAddr(base), i), 22), rapid.Bool().Draw(t, "udp")}
				want := in(s.Ranges, to.Addr()) && !in(s.Excluded, to.Addr())
				if _, ok := p.number(to); ok != want || met[to] != want || (g.Explain(now, to) == Allowed) != want {
					t.Fatalf("%s: number %v, met %v, gate %s; want %v", to, ok, met[to], g.Explain(now, to), want)
				}
			}
		}
	})
}

func target(t testing.TB, text string) Target {
	t.Helper()
	to, err := ParseTarget(text)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func scope2(ranges, excluded []netip.Prefix) *Scope {
	return &Scope{Ranges: ranges, Excluded: excluded, Ports: []uint16{22, 443}, UDPPorts: []uint16{22, 53}, Rate: 1000, Caps: Caps{10, 100, 1000}, ValidUntil: time.Unix(1_900_000_000, 0)}
}

func TestTheOrderMeetsEachTargetOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 3000).Draw(t, "n")
		p := newPermutation(n, rapid.Uint64().Draw(t, "key"))
		seen := make([]bool, n)
		for i := range n {
			x := p.at(i)
			if x >= n || seen[x] {
				t.Fatalf("position %d of %d is %d, met before or beyond", i, n, x)
			}
			seen[x] = true
		}
	})
}

func TestTheGateRefusesWhatTheScopeDoesNotName(t *testing.T) {
	g := NewGate(scope(t, "rate: 1000", "rate: 1000\nhours: [{zone: Asia/Tokyo, from: '22:00', to: '05:00'}]"))
	night := time.Date(2026, 12, 1, 14, 0, 0, 0, time.UTC) // 23:00 in Tokyo
	for _, c := range []struct {
		to   string
		at   time.Time
		want Reason
	}{
		{"192.0.2.1:22", night.Add(-time.Hour), Allowed}, // 22:00
		{"192.0.2.1:22", night, Allowed},
		{"[2001:db8::f]:443", night, Allowed},
		{"192.0.2.1:53/udp", night, Allowed},
		{"192.0.2.1:23", night, WrongPort},
		{"192.0.2.1:53", night, WrongPort},
		{"192.0.2.1:22/udp", night, WrongPort},
		{"192.0.2.5:22", night, IsExcluded},
		{"192.0.2.16:22", night, OutOfRange},
		{"[::ffff:192.0.2.1]:22", night, OutOfRange},
		{"[fe80::1%eth0]:22", night, NoUnicast},
		{"224.0.0.1:22", night, NoUnicast},
		{"192.0.2.1:22", night.Add(6 * time.Hour), OutOfHours}, // 05:00
		{"192.0.2.1:22", night.Add(-time.Hour - 1), OutOfHours},
		{"192.0.2.1:22", night.AddDate(1, 0, 0), Expired},
	} {
		if _, got := g.Decide(c.at, target(t, c.to)); got != c.want {
			t.Errorf("%s at %s: %s; want %s", c.to, c.at, got, c.want)
		}
	}
	if g.total != 4 || g.sent[0] != 3 || g.sent[1] != 1 {
		t.Errorf("counted %d, by range %v; want 4: 3 and 1", g.total, g.sent)
	}
}

// TestCapsHold asks for far more than the caps allow, and counts what was let
// through in each second.
func TestCapsHold(t *testing.T) {
	g := NewGate(scope(t))
	second := time.Unix(1_790_000_000, 0)
	let := func(at time.Time, to string) (n int) {
		for i := range 50 {
			if wait, why := g.Decide(at.Add(time.Duration(i)*time.Millisecond), target(t, to)); wait == 0 && why == Allowed {
				n++
			}
		}
		return n
	}
	if n := let(second, "192.0.2.1:22"); n != 3 {
		t.Errorf("%d probes in a second met one address; its cap is 3", n)
	}
	if n := let(second.Add(100*time.Millisecond), "192.0.2.2:22") + let(second.Add(200*time.Millisecond), "192.0.2.3:22"); n != 5 {
		t.Errorf("%d more met its network, whose cap is 8", n)
	}
	if n := let(second.Add(300*time.Millisecond), "[2001:db8::1]:22"); n != 3 {
		t.Errorf("%d met another network's address; its cap is 3", n)
	}
	if n := let(second.Add(time.Second), "192.0.2.1:22"); n != 3 {
		t.Errorf("%d met the address in the next second; its cap is 3", n)
	}
	for i := range 20 {
		let(second.Add(time.Duration(2+i)*time.Second), "192.0.2.1:22")
	}
	if _, why := g.Decide(second.Add(time.Hour), target(t, "192.0.2.1:22")); why != OwnerCap || g.total != 20 {
		t.Errorf("after %d probes the gate says %s; the owner's cap is 20", g.total, why)
	}
}

func TestTheRateHolds(t *testing.T) {
	s := scope(t, "address: 3, network: 8, owner: 20", "address: 60000, network: 60000, owner: 100000000")
	g, at, n := NewGate(s), time.Unix(1_790_000_000, 0), 0
	for end := at.Add(10 * time.Second); at.Before(end); {
		wait, _ := g.Decide(at, target(t, "192.0.2.1:22"))
		if wait == 0 {
			n++
			continue
		}
		at = at.Add(wait)
	}
	// The burst lets through four milliseconds more.
	if n < 10_000 || n > 10_005 {
		t.Errorf("%d probes left in ten seconds at 1,000 a second", n)
	}
}

func TestAScopeThatChangesIsWithdrawn(t *testing.T) {
	for name, change := range map[string]func(file string) error{
		"changed": func(f string) error { return os.WriteFile(f, []byte(sound+"# \n"), 0o600) },
		"removed": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "scope.yaml")
			if err := os.WriteFile(file, []byte(sound), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				g, to := NewGate(s), target(t, "192.0.2.1:22")
				done := make(chan struct{})
				go func() { g.Watch(t.Context()); close(done) }()
				time.Sleep(10 * time.Second) // of the bubble's clock
				if _, why := g.Decide(time.Unix(1_790_000_000, 0), to); why != Allowed {
					t.Fatalf("before the change: %s", why)
				}
				if err := change(file); err != nil {
					t.Fatal(err)
				}
				before := time.Now()
				<-done
				if d := time.Since(before); d >= time.Second {
					t.Errorf("it took %s to notice", d)
				}
				if _, why := g.Decide(time.Unix(1_790_000_000, 0), to); why != Withdrawn {
					t.Errorf("after the change: %s", why)
				}
			})
		})
	}
}
