package surface

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noroshi/fault"
	"noroshi/service"
)

func TestARunThatWasKilledIsResumedBehindWhatItPromised(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runs.jsonl")
	s := scope(t)
	l, from, err := OpenLog(file, s, "")
	if err != nil || from != (Position{}) {
		t.Fatal(from, err)
	}
	if !l.Promise(Position{Seed: 7, Next: 100}) || !l.Promise(Position{Seed: 7, Next: 200}) {
		t.Fatal("it could not be written")
	}
	// The kill comes in the middle of the next line.
	if _, err := l.file.WriteString(`{"run":"` + string(l.Run()) + `","position":{"seed":"7","ne`); err != nil {
		t.Fatal(err)
	}
	again, from, err := OpenLog(file, s, string(l.Run()))
	if err != nil || from != (Position{Seed: 7, Next: 200}) || again.Run() != l.Run() {
		t.Fatalf("it goes on at %+v as %s, %v", from, again.Run(), err)
	}
	if _, _, err := OpenLog(file, scope(t, "rate: 1000", "rate: 1001"), string(l.Run())); fault.KindOf(err) != fault.Conflict {
		t.Errorf("with another scope: %v", err)
	}
	if _, _, err := OpenLog(file, s, "scn_none"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a run that never was: %v", err)
	}
}

// TestAResumedScanMeetsNobodyTwice ends a run in its middle and goes on.
func TestAResumedScanMeetsNobodyTwice(t *testing.T) {
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	s := scope2([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/26")}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/32")})
	s.Ports, s.UDPPorts, s.Rate = []uint16{port}, nil, 32
	s.file = filepath.Join(t.TempDir(), "scope.yaml")
	if err := os.WriteFile(s.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.digest = digest(nil)
	met := map[netip.Addr]int{}
	o := Options{Mode: Connect, Found: func(p service.Port) { met[p.Address]++ }}
	calls := 0
	o.Progress = func(Position) bool { calls++; return calls < 2 }
	first, err := Scan(t.Context(), s, o)
	if err != nil || first.Ended != "unaccounted" || first.Position.Next != 32 || len(met) != 32 {
		t.Fatalf("%+v, %d met, %v", first, len(met), err)
	}
	o.Progress, o.From = nil, first.Position
	second, err := Scan(t.Context(), s, o)
	if err != nil || second.Ended != "done" || len(met) != 63 || second.Probes != 31 {
		t.Fatalf("%+v, %d met, %v", second, len(met), err)
	}
	for a, n := range met {
		if n != 1 {
			t.Errorf("%s was met %d times", a, n)
		}
	}
}

func FuzzScope(f *testing.F) {
	f.Add([]byte(sound))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			return
		}
		if s.Targets() == 0 || s.ValidUntil.IsZero() || strings.TrimSpace(s.Owner) == "" {
			t.Errorf("a scope of nothing was taken: %q", b)
		}
	})
}
