package set_test

import (
	"crypto/ed25519"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/share/set"
)

// TestDigestTellsTheSetAndNothingElse adds, replaces and takes out members in
// any order; the digest is that of whoever has just these members.
func TestDigestTellsTheSetAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, members := new(set.Digest), map[string][]byte{}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "id")
			if old, ok := members[id]; ok {
				d.Sub(old)
				delete(members, id)
			}
			if rapid.Bool().Draw(t, "put") {
				members[id] = set.Member(indicator.Wire{ID: ident.ID(id), Value: rapid.StringN(0, 3, 6).Draw(t, "value")})
				d.Add(members[id])
			}
			if again, err := set.FromBytes(d.Bytes()); err != nil || again.Sum() != d.Sum() {
				t.Fatalf("the kept state has another digest: %v", err)
			}
		}
		plain := new(set.Digest)
		for _, m := range members {
			plain.Add(m)
		}
		if plain.Sum() != d.Sum() {
			t.Fatal("the way there shows in the digest")
		}
		plain.Add([]byte("one more"))
		if plain.Sum() == d.Sum() {
			t.Fatal("another set has the same digest")
		}
	})
}

func TestFrameComesBackAsItWas(t *testing.T) {
	pub, key, _ := ed25519.GenerateKey(nil)
	w := indicator.Wire{ID: "ind_1", Value: "a.example.com", Reason: strings.Repeat("狼煙", 100), ValidUntil: time.Unix(2e9, 0).UTC()}
	f := set.Frame{Feed: "real.all", From: 3, Seq: 5, Digest: "d", At: time.Unix(1e9, 0).UTC(),
		Changes: []set.Change{{Seq: 4, Op: indicator.Put, ID: "ind_1", Indicator: &w}, {Seq: 5, Op: indicator.Remove, ID: "ind_2"}}}
	b, err := set.Seal(f, key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := set.Open(b, "real.all", pub)
	if err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := set.Open(b, "exercise.all", pub); fault.KindOf(err) != fault.Denied {
		t.Errorf("a frame of another feed: %v", err)
	}
	for i := range b {
		bad := append([]byte{}, b...)
		bad[i] ^= 1
		if _, err := set.Open(bad, "real.all", pub); fault.KindOf(err) != fault.Denied {
			t.Fatalf("a frame that was changed in byte %d: %v", i, err)
		}
	}
	// What unpacks to more than a frame may be is refused, also from the hub.
	f.Digest = strings.Repeat("0", 8<<20)
	if b, err = set.Seal(f, key); err != nil {
		t.Fatal(err)
	}
	if _, err := set.Open(b, "real.all", pub); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a frame that unpacks to %d bytes: %v", len(f.Digest), err)
	}
}
