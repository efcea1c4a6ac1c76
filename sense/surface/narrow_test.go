package surface

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"noroshi/ident"
)

// TestWhatIsExcludedBesideIsRefusedAndNothingElse compares the gate of the
// narrower text with what was asked, address by address.
func TestWhatIsExcludedBesideIsRefusedAndNothingElse(t *testing.T) {
	was := scope(t)
	rapid.Check(t, func(t *rapid.T) {
		var more []netip.Prefix
		for range rapid.IntRange(0, 4).Draw(t, "how many") {
			a := netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(0, 31).Draw(t, "at"))})
			p, _ := a.Prefix(rapid.IntRange(28, 32).Draw(t, "bits"))
			more = append(more, p)
		}
		text, err := Exclude([]byte(sound), more)
		if err != nil {
			t.Fatal(err)
		}
		now, err := Parse(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if now.Token() != was.Token() || !slices.Equal(now.Ranges, was.Ranges) || !slices.Equal(now.Ports, was.Ports) || now.Caps != was.Caps || !now.ValidUntil.Equal(was.ValidUntil) {
			t.Fatalf("the scope says something else beside: %s", text)
		}
		before, after := NewGate(was), NewGate(now)
		at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		for i := range 32 {
			to := Target{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 443)}
			want := before.Explain(at, to)
			if slices.ContainsFunc(more, func(p netip.Prefix) bool { return p.Contains(to.Addr()) }) && want == Allowed {
				want = IsExcluded
			}
			if got := after.Explain(at, to); got != want {
				t.Fatalf("%s: %s, not %s, after %v", to, got, want, more)
			}
		}
	})
}

func TestAScopeOfWhichNothingIsLeftIsRefused(t *testing.T) {
	if _, err := Exclude([]byte(sound), []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}); err == nil || !strings.Contains(err.Error(), "leave nothing") {
		t.Errorf("%v", err)
	}
}

func TestALookAtSomeMeetsOnlyTheseAndOnlyWhatTheScopeHolds(t *testing.T) {
	s := scope(t)
	var list []Target
	for _, text := range []string{"192.0.2.1:443", "203.0.113.1:443", "192.0.2.5:443", "192.0.2.2:8080", "192.0.2.1:443/udp"} {
		to, err := ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, to)
	}
	sp, err := newSpace(s.only(list))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range sp.size() {
		got = append(got, sp.at(i).String())
	}
	slices.Sort(got)
	if want := []string{"192.0.2.1:443", "192.0.2.2:443"}; !slices.Equal(got, want) {
		t.Errorf("it looks at %v", got)
	}
	if _, err := newSpace(s.only([]Target{{AddrPort: netip.MustParseAddrPort("192.0.2.1:8080")}})); err == nil {
		t.Error("a port that the scope does not name is looked at")
	}
}

// TestAScopeThatIsFollowedIsWithdrawnWithinASecond lets the text change, fail,
// and never come.
func TestAScopeThatIsFollowedIsWithdrawnWithinASecond(t *testing.T) {
	for name, then := range map[string]func(ctx context.Context) ([]byte, error){
		"changes": func(context.Context) ([]byte, error) { return []byte(sound + "\n"), nil },
		"fails":   func(context.Context) ([]byte, error) { return nil, errors.New("away") },
		"hangs":   func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return []byte(sound), ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changed atomic.Bool
				s, err := Follow(t.Context(), "the hub", func(ctx context.Context) ([]byte, error) {
					if changed.Load() {
						return then(ctx)
					}
					return []byte(sound), nil
				})
				if err != nil {
					t.Fatal(err)
				}
				g := NewGate(s)
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { g.Watch(ctx); close(done) }()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if g.withdrawn.Load() {
					t.Fatal("a text that stands is withdrawn")
				}
				changed.Store(true)
				time.Sleep(time.Second)
				synctest.Wait()
				if !g.withdrawn.Load() {
					t.Error("a second later it is not withdrawn")
				}
				stop()
				<-done
			})
		})
	}
}

func TestARunOfTheHubGoesOnByItsName(t *testing.T) {
	file, run := filepath.Join(t.TempDir(), "log"), ident.ID("scn_x")
	s := scope(t)
	l, from, err := GoOn(file, s, run)
	if err != nil || from != (Position{}) || l.Run() != run {
		t.Fatalf("%v %v", from, err)
	}
	far := Position{Seed: 7, Next: 9}
	if !l.Promise(far) {
		t.Fatal("nothing is written down")
	}
	if _, from, err = GoOn(file, s, run); err != nil || from != far {
		t.Errorf("it goes on at %v, %v", from, err)
	}
	narrower := scope(t, "192.0.2.4/30", "192.0.2.8/30")
	if _, from, err = GoOn(file, narrower, run); err != nil || from != (Position{}) {
		t.Errorf("by another text it goes on at %v, %v", from, err)
	}
}
