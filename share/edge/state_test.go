package edge

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/observable"
	"noroshi/share/set"
)

func wire1() indicator.Wire {
	return indicator.Wire{ID: "ind_1", Kind: observable.Domain, Value: "a.example.com", Action: indicator.Block, Marking: label.Marking{TLP: label.TLPGreen, PAP: label.PAPGreen, Realm: label.Real}, ValidUntil: time.Unix(2e9, 0).UTC()}
}

func kept1(f *testing.F) []byte {
	s, w := newState(), wire1()
	s.change(set.Change{Op: indicator.Put, ID: w.ID, Indicator: &w})
	b, err := line(kept{Seq: 1, Digest: s.Digest(), Members: []indicator.Wire{w}})
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// FuzzRead reads what a disk may have made of a kept set: what is believed has
// the digest that it claims.
func FuzzRead(f *testing.F) {
	good := kept1(f)
	f.Add(good)
	f.Add(append(good, good...))
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, sound, _ := read(b)
		if sound == 0 {
			return
		}
		again := newState()
		for id, w := range s.Members {
			again.change(set.Change{Op: indicator.Put, ID: id, Indicator: &w})
		}
		if again.Digest() != s.Digest() {
			t.Error("the members do not have the set's digest")
		}
	})
}

// frameOf makes the frame that goes on from a state by one change.
func frameOf(s state, w indicator.Wire) set.Frame {
	s.Members, s.digest = maps.Clone(s.Members), new(*s.digest)
	s.change(set.Change{Op: indicator.Put, ID: w.ID, Indicator: &w})
	return set.Frame{Feed: "real.all", From: s.Seq, Seq: s.Seq + 1, Digest: s.Digest(), Changes: []set.Change{{Seq: s.Seq + 1, Op: indicator.Put, ID: w.ID, Indicator: &w}}}
}

// TestNothingIsWrittenBehindATornLine kills an edge in the middle of a write, at
// every byte: what it keeps afterwards must be whole.
func TestNothingIsWrittenBehindATornLine(t *testing.T) {
	dir, n := t.TempDir(), 0
	keep := func(s *state) {
		t.Helper()
		n++
		f := frameOf(*s, indicator.Wire{ID: ident.ID(fmt.Sprint("ind_", n)), Value: "a.example.com"})
		if !s.apply(f) {
			t.Fatal("the frame does not fit")
		}
		if err := s.keep(dir, "real.all", []set.Frame{f}); err != nil {
			t.Fatal(err)
		}
	}
	s := newState()
	keep(&s)
	before, err := os.ReadFile(path(dir, "real.all"))
	if err != nil {
		t.Fatal(err)
	}
	keep(&s)
	after, err := os.ReadFile(path(dir, "real.all"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(before) + 1; cut < len(after); cut++ {
		if err := os.WriteFile(path(dir, "real.all"), after[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		torn, err := load(dir, "real.all")
		if err != nil || torn.Seq != 1 {
			t.Fatalf("cut at %d it has %d, %v", cut, torn.Seq, err)
		}
		keep(&torn)
		again, err := load(dir, "real.all")
		if err != nil || again.Seq != 2 || again.Digest() != torn.Digest() {
			t.Fatalf("cut at %d and written on it has %d, %v", cut, again.Seq, err)
		}
	}
}

// FuzzOpen opens frames from a stranger, of which none is believed, and the same
// bytes with the hub's signature before them, which must not harm.
func FuzzOpen(f *testing.F) {
	pub, key, _ := ed25519.GenerateKey(nil)
	b, _ := set.Seal(set.Frame{Feed: "real.all", Seq: 1, Changes: []set.Change{{Seq: 1, Op: indicator.Remove, ID: "ind_1"}}}, key)
	f.Add(b[ed25519.SignatureSize:])
	f.Add(make([]byte, ed25519.SignatureSize+8))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := set.Open(b, "real.all", pub); err == nil {
			t.Error("a frame was believed that the hub did not sign")
		}
		fr, err := set.Open(append(ed25519.Sign(key, b), b...), "real.all", pub)
		if err != nil {
			return
		}
		s := newState()
		for _, c := range fr.Changes {
			s.change(c)
		}
	})
}

func TestRealmsNeverMix(t *testing.T) {
	s := newSet([]string{"real.all", "exercise.all"})
	put := func(feed, value string, realm label.Realm) {
		w := indicator.Wire{ID: "ind_" + "x", Kind: observable.Domain, Value: value, Action: indicator.Block, Marking: label.Marking{TLP: label.TLPGreen, PAP: label.PAPGreen, Realm: realm}, ValidUntil: time.Now().Add(time.Hour)}
		s.apply(feed, []set.Change{{Op: indicator.Put, ID: w.ID, Indicator: &w}})
	}
	put("exercise.all", "www.example.com", label.Exercise)
	if _, ok := s.Name("www.example.com", time.Now()); ok {
		t.Error("an exercise blocks a real name")
	}
	put("exercise.all", "x.test", label.Real)
	if _, ok := s.Name("x.test", time.Now()); ok {
		t.Error("a real indicator came through the exercise's feed")
	}
	put("exercise.all", "x.test", label.Exercise)
	if _, ok := s.Name("y.x.test", time.Now()); !ok {
		t.Error("an exercise cannot block its own name")
	}
	if _, ok := s.Name("x.test", time.Now().Add(2*time.Hour)); ok {
		t.Error("what has expired is still enforced")
	}
}
