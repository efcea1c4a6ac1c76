package label_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"noroshi/label"
)

func TestLabelsReadAndWrite(t *testing.T) {
	for in, want := range map[string]string{"TLP:AMBER+STRICT": "TLP:AMBER+STRICT", "amber": "TLP:AMBER", "White": "TLP:CLEAR", " tlp:red ": "TLP:RED"} {
		if got, err := label.ParseTLP(in); err != nil || got.String() != want {
			t.Errorf("%q is %s, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "TLP:", "TLP:BLUE", "AMBER STRICT"} {
		if got, err := label.ParseTLP(bad); err == nil || got != label.TLPUnknown {
			t.Errorf("%q is %s", bad, got)
		}
		if got, err := label.ParsePAP(bad); err == nil || got.MayBlock() {
			t.Errorf("%q permits blocking", bad)
		}
	}
	m := label.Marking{TLP: label.TLPGreen, PAP: label.PAPAmber, Realm: label.Exercise}
	b, _ := json.Marshal(m)
	var back label.Marking
	if err := json.Unmarshal(b, &back); err != nil || back != m {
		t.Errorf("%s became %+v, %v", b, back, err)
	}
	if err := json.Unmarshal([]byte(`{"tlp":"TLP:BLUE"}`), &back); err == nil {
		t.Error("an unknown label was read")
	}
}

func TestOnlyGreenAndClearMayBlock(t *testing.T) {
	for p, may := range map[label.PAP]bool{label.PAPUnknown: false, label.PAPRed: false, label.PAPAmber: false, label.PAPGreen: true, label.PAPClear: true, 99: false} {
		if p.MayBlock() != may {
			t.Errorf("%s may block: %v", p, !may)
		}
	}
}

func TestIntersectionIsTheStrictest(t *testing.T) {
	any := rapid.Custom(func(t *rapid.T) label.Marking {
		return label.Marking{TLP: label.TLP(rapid.IntRange(0, 5).Draw(t, "t")), PAP: label.PAP(rapid.IntRange(0, 4).Draw(t, "p")), Realm: label.Realm(rapid.IntRange(0, 2).Draw(t, "r"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := any.Draw(t, "a"), any.Draw(t, "b"), any.Draw(t, "c")
		x := a.Intersect(b)
		if x.TLP > a.TLP || x.TLP > b.TLP || x.PAP > a.PAP || x.PAP > b.PAP {
			t.Fatalf("%v ∩ %v is wider: %v", a, b, x)
		}
		if x != b.Intersect(a) || a.Intersect(b).Intersect(c) != a.Intersect(b.Intersect(c)) && a.Realm == b.Realm && b.Realm == c.Realm {
			t.Fatalf("the order matters: %v, %v, %v", a, b, c)
		}
	})
}

// FuzzParse reads labels as strangers may write them: what is understood has one
// writing, which reads as the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"TLP:AMBER+STRICT", "white", "tlp:clear", "PAP:RED", " green ", "real", "exercise", "", "TLP:TLP:RED"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if x, err := label.ParseTLP(s); err == nil {
			if again, err := label.ParseTLP(x.String()); err != nil || again != x || x == label.TLPUnknown {
				t.Errorf("%q is %v, which reads as %v, %v", s, x, again, err)
			}
		}
		if x, err := label.ParsePAP(s); err == nil {
			if again, err := label.ParsePAP(x.String()); err != nil || again != x {
				t.Errorf("%q is %v, which reads as %v, %v", s, x, again, err)
			}
		}
		if x, err := label.ParseRealm(s); err == nil {
			if again, err := label.ParseRealm(x.String()); err != nil || again != x {
				t.Errorf("%q is %v, which reads as %v, %v", s, x, again, err)
			}
		}
	})
}
