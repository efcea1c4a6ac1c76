package infected

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/fault"
)

var day = time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)

func addr(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func syn(src netip.Addr, dst uint32, port uint16, seq uint32) Packet {
	return Packet{Time: day, Src: src, Dst: addr(dst), Port: port, Transport: "tcp", Flags: "S", Seq: seq}
}

func TestOneVerdictForEachAddressAndDay(t *testing.T) {
	w := New(Config{Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	bot, loud, quiet, foreign, victim := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("192.0.2.4")
	for i := range uint32(40) {
		dst := 0xcb007100 + i
		if i < 3 {
			w.Darknet(syn(bot, dst, 23, dst))
		}
		w.Darknet(syn(foreign, dst, 23, dst))
		w.Darknet(syn(loud, dst, 37215, 7))
		if i < enoughDarknet-2 {
			w.Darknet(syn(quiet, dst, 23, 7))
		}
		answer := syn(victim, dst, 23, 7) // What answers a forged SYN comes from who was attacked.
		answer.Flags = "SA"
		w.Darknet(answer)
	}
	if got := w.Verdicts(false); len(got) != 0 {
		t.Errorf("the day is not over: %+v", got)
	}
	next := syn(quiet, 1, 23, 7)
	next.Time = day.Add(24 * time.Hour)
	w.Darknet(next)
	got := w.Verdicts(false)
	if len(got) != 2 || got[0].Address != bot || got[0].Kind != MiraiLike || got[0].Marked != 3 || got[1].Address != loud || got[1].Kind != Scanning || got[1].Day != "2026-11-25" {
		t.Fatalf("%+v", got)
	}
	late := syn(bot, 9, 23, 9)
	w.Darknet(late)
	if w.Count.Late != 1 || len(w.Verdicts(true)) != 0 {
		t.Errorf("a day is judged twice: %+v", w.Count)
	}
	if x := got[0].Weakness(); x.Check != Check || x.Asset.Key != "192.0.2.1" || x.Title == "" || x.TitleJA == "" || !strings.Contains(x.Evidence[0].Text, "Mirai") {
		t.Errorf("%+v", x)
	}
}

// TestASingleSignAccusesNobody: packets with the sign at one place alone may be
// anybody's forgery.
func TestASingleSignAccusesNobody(t *testing.T) {
	w := New(Config{})
	for range 50 {
		w.Darknet(syn(addr(1), 77, 23, 77)) // again and again to one place
	}
	if got := w.Verdicts(true); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheDayIsTheZonesDay(t *testing.T) {
	w := New(Config{Zone: time.FixedZone("JST", 9*3600)})
	for i := range uint32(30) {
		p := syn(addr(1), i, 23, 0)
		p.Time = time.Date(2026, 11, 24, 16, 0, 0, 0, time.UTC) // 1 o'clock of the 25th in Japan
		w.Darknet(p)
	}
	if got := w.Verdicts(true); len(got) != 1 || got[0].Day != "2026-11-25" {
		t.Errorf("%+v", got)
	}
}

// TestTheMemoryIsBoundedAndKeepsWhoDoesMost floods a small memory with addresses
// that are seen once.
func TestTheMemoryIsBoundedAndKeepsWhoDoesMost(t *testing.T) {
	w := New(Config{MaxHosts: 1000})
	for i := range uint32(50_000) {
		w.Flow(Flow{Time: day, Src: addr(0x0a000000 + i), Dst: addr(i), Port: 23, Transport: "tcp"})
		if i%100 == 0 {
			w.Flow(Flow{Time: day, Src: addr(1), Dst: addr(i), Port: 23, Transport: "tcp"})
		}
		if len(w.hosts) > 1000 {
			t.Fatalf("%d addresses are remembered", len(w.hosts))
		}
	}
	got := w.Verdicts(true)
	if len(got) != 1 || got[0].Address != addr(1) || w.Count.Forgotten == 0 {
		t.Errorf("%+v, %+v", got, w.Count)
	}
}

// TestVerdictsAgreeWithASlowCount compares with sets that forget nothing. The
// order of what is fed in does not matter within a day.
func TestVerdictsAgreeWithASlowCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		type seen struct {
			darknet, flows, signed map[uint32]bool
			marked                 int
		}
		truth := map[uint32]*seen{}
		var feed []func(*Watch)
		for range rapid.IntRange(0, 400).Draw(t, "observations") {
			src, dst, port := r.Uint32N(8), r.Uint32N(60), []uint16{23, 80, 443}[r.IntN(3)]
			s := truth[src]
			if s == nil {
				s = &seen{map[uint32]bool{}, map[uint32]bool{}, map[uint32]bool{}, 0}
				truth[src] = s
			}
			if r.IntN(2) == 0 {
				p := syn(addr(src), dst, port, []uint32{7_000_000, dst}[r.IntN(2)])
				feed = append(feed, func(w *Watch) { w.Darknet(p) })
				if port != 443 {
					s.darknet[dst] = true
					if p.Seq == dst {
						s.marked++
						s.signed[dst] = true
					}
				}
				continue
			}
			f := Flow{Time: day, Src: addr(src), Dst: addr(dst), Port: port, Transport: "tcp", Answered: r.IntN(3) == 0}
			feed = append(feed, func(w *Watch) { w.Flow(f) })
			if port == 23 && !f.Answered {
				s.flows[dst] = true
			}
		}
		r.Shuffle(len(feed), func(i, j int) { feed[i], feed[j] = feed[j], feed[i] })
		w := New(Config{})
		for _, f := range feed {
			f(w)
		}
		got := map[uint32]Verdict{}
		for _, v := range w.Verdicts(true) {
			got[number(v.Address)] = v
		}
		for src, s := range truth {
			v, ok := got[src]
			// Bits may fall together, so that a number is at least, and a few addresses
			// above what is enough are needed to be sure.
			sure := len(s.darknet) >= enoughDarknet+6 || len(s.flows) >= enoughFlows+6 || s.marked >= enoughMarked && len(s.signed) >= enoughPlaces+2
			never := len(s.darknet) < enoughDarknet && len(s.flows) < enoughFlows && (s.marked < enoughMarked || len(s.signed) < enoughPlaces)
			if ok && never || !ok && sure {
				t.Fatalf("%d: %d darknet, %d flows, %d marked: %v", src, len(s.darknet), len(s.flows), s.marked, v)
			}
			if ok && (v.Darknet > len(s.darknet) || v.Flows > len(s.flows) || v.Marked != int64(s.marked)) {
				t.Fatalf("%+v says more than there was: %+v", v, s)
			}
		}
	})
}

func TestALineThatIsNoneIsRefusedWithItsNumber(t *testing.T) {
	good := `{"time":"2026-11-25T00:00:00Z","src":"192.0.2.1","dst":"203.0.113.1","port":23,"transport":"tcp","flags":"S","seq":1}`
	for _, bad := range []string{`{`, `{"time":"2026-11-25T00:00:00Z","src":"x"}`, `{"src":"192.0.2.1","dst":"203.0.113.1","port":23}`, `{"time":"2026-11-25T00:00:00Z","src":"192.0.2.1","port":23}`, `"` + strings.Repeat("x", maxLine) + `"`} {
		for name, read := range map[string]func(*Watch) error{
			"darknet": func(w *Watch) error { return w.ReadDarknet(strings.NewReader(good + "\n\n" + bad)) },
			"flows":   func(w *Watch) error { return w.ReadFlows(strings.NewReader(good + "\n\n" + bad)) },
		} {
			if err := read(New(Config{})); !strings.HasPrefix(fault.PublicOf(err), "line 3: ") {
				t.Errorf("%s %.40s: %v", name, bad, err)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"time":"2026-11-25T00:00:00Z","src":"192.0.2.1","dst":"203.0.113.1","port":23,"transport":"tcp","flags":"S","seq":3405803777}`)
	f.Add(`{"time":"2026-11-25T00:00:00+09:00","src":"::ffff:192.0.2.1","dst":"2001:db8::1","port":2323,"transport":"tcp"}`)
	f.Fuzz(func(t *testing.T, s string) {
		w := New(Config{MaxHosts: 4, Zone: time.FixedZone("JST", 9*3600)})
		many := s
		for i := range 20 {
			many += fmt.Sprintf("\n%s", strings.ReplaceAll(s, "203.0.113.1", addr(uint32(i)).String()))
		}
		_ = w.ReadDarknet(strings.NewReader(many)) // What it refuses, it has not taken.
		_ = w.ReadFlows(strings.NewReader(many))
		if len(w.hosts) > 4 {
			t.Errorf("%d addresses are remembered", len(w.hosts))
		}
		for _, v := range w.Verdicts(true) {
			if !v.Address.IsValid() || v.Address.Is4In6() || v.First.After(v.Last) || v.Packets < 1 || v.Text("en") == "" || v.Text("ja") == "" {
				t.Errorf("%+v", v)
			}
		}
	})
}
