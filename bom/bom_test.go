package bom_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"noroshi/bom"
	"noroshi/fault"
)

func TestPackageURLs(t *testing.T) {
	for in, want := range map[string]string{
		"pkg:golang/github.com/Masterminds/Semver@v3.0.0":             "pkg:golang/github.com/masterminds/semver@v3.0.0",
		"pkg:pypi/Jw.Util@1.0":                                        "pkg:pypi/jw-util@1.0",
		"pkg:PyPI/zope__interface":                                    "pkg:pypi/zope-interface",
		"pkg:npm/%40angular/core@12.3.1":                              "pkg:npm/%40angular/core@12.3.1",
		"pkg:npm/@angular/core":                                       "pkg:npm/%40angular/core",
		"pkg:npm/@angular/core@1":                                     "pkg:npm/%40angular/core@1",
		"pkg:maven/org.apache/commons@1.0?type=zip&classifier=a#x/y/": "pkg:maven/org.apache/commons@1.0?classifier=a&type=zip#x/y",
		"pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?distro=debian-12":      "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?distro=debian-12",
		"pkg:golang/github.com/a/b@1.0.0+incompatible":                "pkg:golang/github.com/a/b@1.0.0%2Bincompatible",
		"pkg://gem/rails@7":                                           "pkg:gem/rails@7",
	} {
		p, err := bom.ParsePURL(in)
		if err != nil || p.String() != want {
			t.Errorf("%s is read as %s (%v), not %s", in, p, err, want)
		}
	}
	for _, bad := range []string{"", "gem/rails", "pkg:", "pkg:gem", "pkg:gem/", "pkg:g em/x", "pkg:gem/%zz", "pkg:gem/a@%z", "pkg:gem/a?b=%z", "pkg:gem/" + strings.Repeat("a", 5000)} {
		if p, err := bom.ParsePURL(bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.40q is read as %+v (%v)", bad, p, err)
		}
	}
}

func FuzzParsePURL(f *testing.F) {
	for _, s := range []string{"pkg:npm/%40a/b@1?x=y#z", "pkg:golang/a/b/c@v1", "pkg:pypi/A_.b@1!2", "pkg:deb/debian/a@1:2~3?arch=all"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := bom.ParsePURL(s)
		if err != nil {
			return
		}
		if len(p.String()) > 4096 {
			return // Escaped it is longer than what is read.
		}
		again, err := bom.ParsePURL(p.String())
		if err != nil || again.String() != p.String() {
			t.Errorf("%.100q is written as %.100q and read again as %.100q (%.100v)", s, p, again, err)
		}
	})
}

// Parents agrees with an obvious search in rounds: as far as a component is from
// the root, so long is the way back over its parents.
func TestParentsAreTheShortestWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		s := bom.System{Components: make([]bom.Component, n)}
		if n > 0 {
			for range rapid.IntRange(0, 30).Draw(t, "edges") {
				s.Edges = append(s.Edges, bom.Edge{From: rapid.IntRange(bom.Root, n-1).Draw(t, "from"), To: rapid.IntRange(bom.Root, n-1).Draw(t, "to")})
			}
		}
		distance := map[int]int{bom.Root: 0}
		for round := 1; round <= n; round++ {
			for _, e := range s.Edges {
				_, seen := distance[e.To]
				if d, ok := distance[e.From]; ok && d == round-1 && !seen {
					distance[e.To] = round
				}
			}
		}
		for i, p := range s.Parents() {
			want, reached := distance[i]
			if reached != (p != bom.Unreached) {
				t.Fatalf("component %d has parent %d, and is reached: %v", i, p, reached)
			}
			if reached && distance[int(p)] != want-1 {
				t.Fatalf("component %d is %d away, its parent %d", i, want, distance[int(p)])
			}
		}
	})
}
