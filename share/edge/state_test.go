package edge

import (
	"crypto/ed25519"
	"testing"
	"time"

	"noroshi/indicator"
	"noroshi/label"
	"noroshi/observable"
	"noroshi/share/set"
)

func kept1(f *testing.F) []byte {
	s := newState()
	w := indicator.Wire{ID: "ind_1", Kind: observable.Domain, Value: "a.example.com", Action: indicator.Block, Marking: label.Marking{TLP: label.TLPGreen, PAP: label.PAPGreen, Realm: label.Real}, ValidUntil: time.Unix(2e9, 0).UTC()}
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
