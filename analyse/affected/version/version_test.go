package version

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// ascending has, for each ecosystem, versions in the order that its own
// documentation or reference implementation gives; those in one cell are equal.
var ascending = map[string][][]string{
	// https://semver.org §11, and Go's pseudo-versions and +incompatible.
	"golang": {{"v0.0.0-20190101000000-aaaaaaaaaaaa"}, {"v0.0.0-20200101000000-000000000000"}, {"0"}, {"1.0.0-0"}, {"1.0.0-alpha"}, {"1.0.0-alpha.1"}, {"1.0.0-alpha.beta"},
		{"1.0.0-beta"}, {"1.0.0-beta.2"}, {"1.0.0-beta.11"}, {"1.0.0-rc.1"}, {"1.0.0", "v1.0.0", "1.0", "v1.0.0+incompatible"}, {"2.0.0"}, {"2.1.0"}, {"2.1.1"}, {"2.10.0"}},
	// https://peps.python.org/pep-0440/#summary-of-permitted-suffixes-and-relative-ordering
	"pypi": {{"1.dev0"}, {"1.0.dev456"}, {"1.0a1", "1.0.alpha-1", "1.0-a.1"}, {"1.0a2.dev456"}, {"1.0a12.dev456"}, {"1.0a12"}, {"1.0b1.dev456"}, {"1.0b2"}, {"1.0b2.post345.dev456"}, {"1.0b2.post345"},
		{"1.0rc1.dev456"}, {"1.0rc1", "1.0c1", "1.0preview1"}, {"1.0", "v1.0.0", "1"}, {"1.0+abc.5"}, {"1.0+abc.7"}, {"1.0+5"}, {"1.0.post456.dev34"}, {"1.0.post456", "1.0-456", "1.0rev456"}, {"1.0.15"}, {"1.1.dev1"}, {"1!0.1"}},
	// deb-version(7) and dpkg's t-version.
	"deb": {{"1.0~~"}, {"1.0~~a"}, {"1.0~"}, {"1.0", "0:1.0", "1.0-0", "1.00"}, {"1.0-1"}, {"1.0-1+deb12u1"}, {"1.0-1.1"}, {"1.0-10"}, {"1.0a"}, {"1.0+"}, {"1.2"}, {"1.10"}, {"1:0.1"}},
	// rpm's tests/rpmvercmp.at.
	"rpm": {{"1.0~rc1"}, {"1.0~rc1^git1"}, {"1.0~rc2"}, {"1.0", "1_0"}, {"1.0^"}, {"1.0^git1~pre"}, {"1.0^git1"}, {"1.0^git2"}, {"1.0a"}, {"1.0.1"}, {"2.0"}, {"2.0.1"}, {"2.0.1-1"}, {"2.0.1-2.el9"}, {"10"}, {"1:0.1"}},
	// https://maven.apache.org/pom.html#version-order-specification
	"maven": {{"1-alpha-1", "1-a1", "1.0.0-alpha1"}, {"1.alpha.1"}, {"1-beta-1"}, {"1-milestone-1", "1-m1"}, {"1-rc", "1-cr"}, {"1-SNAPSHOT"}, {"1", "1.0", "1-ga", "1.0.0-final", "1-0", "1-release"}, {"1-sp"}, {"1-foo2", "1-foo-2"},
		{"1-foo10"}, {"1-foo.1"}, {"1-1"}, {"1-1.foo-bar1baz-.1", "1-1.foo-bar-1-baz-0.1"}, {"1.0.1"}, {"1.1"}, {"1.10"}, {"2"}},
	// apk-package(5), and apk-tools' test/version.data.
	"apk": {{"0.1_pre2"}, {"0.1"}, {"1.0_alpha1_pre"}, {"1.0_alpha1"}, {"1.0_alpha1_p2"}, {"1.0_beta"}, {"1.0_rc"}, {"1.0"}, {"1.0-r0"}, {"1.0-r2"}, {"1.0-r10"}, {"1.0~0a"}, {"1.0~0b"}, {"1.0_git20240101"}, {"1.0_p1"}, {"1.0_p1-r0"},
		{"1.0a"}, {"1.0b_rc1"}, {"1.0b"}, {"1.0.0"}, {"1.01"}, {"1.010"}, {"1.1"}, {"1.2"}, {"1.10"}, {"02"}, {"10"}},
	// https://learn.microsoft.com/nuget/concepts/package-versioning
	"nuget": {{"0.9"}, {"1.0.0-alpha", "1.0-ALPHA"}, {"1.0.0-alpha.2"}, {"1.0.0-alpha.10"}, {"1.0.0-alpha.x"}, {"1.0.0-Beta"}, {"1.0.0-rc"}, {"1.0.0", "1", "1.00.0.0", "1.0.0+build"}, {"1.0.0.1-pre"}, {"1.0.0.1"}, {"1.0.1"}, {"1.10"}},
	// composer/semver's VersionParserTest and ComparatorTest.
	"composer": {{"0.9.9"}, {"1.0.0-dev"}, {"1.0-alpha-dev", "1.0-alphadev"}, {"1.0.0-alpha", "v1.0.0a"}, {"1.0.0-alpha1", "1.0-A1", "1.0.0_alpha.1"}, {"1.0-beta2"}, {"1.0b2.1"}, {"1.0-RC1-dev"}, {"1.0-RC1"}, {"1.0-RC2"}, {"1.0.0", "v1.0", "1", "1.0.0.0-stable", "1.0+meta"},
		{"1.0.0-patch1", "1.0pl1", "1.0.0-p1"}, {"1.0.0.1"}, {"1.0.10"}, {"20240101"}, {"20240101.2"}},
	// pub_semver's version_test.
	"pub": {{"1.0.0-alpha"}, {"1.0.0-alpha.1"}, {"1.0.0-beta.2"}, {"1.0.0-beta.11"}, {"1.0.0-rc.1"}, {"1.0.0-rc.1+build.1"}, {"1.0.0"}, {"1.0.0+0.3.7"}, {"1.3.7+build"}, {"1.3.7+build.2.b8f12d7"}, {"1.3.7+build.11.e0f985a"}, {"2.0.0"}},
	// R's documentation of package_version.
	"cran":    {{"0.9-1", "0.9.1", "0.09.01"}, {"0.9-1.1"}, {"0.10"}, {"1"}, {"1.0"}, {"1.0-0"}, {"2019.1"}},
	"hackage": {{"0.9"}, {"1", "01"}, {"1.0"}, {"1.0.0"}, {"1.2"}, {"1.10"}},
	// Gem::Version's documentation and tests.
	"gem": {{"0.beta.1"}, {"0.0", "0"}, {"1.0.a"}, {"1.0.a.2"}, {"1.0.b1"}, {"1.0-rc1", "1.0.pre.rc1"}, {"1.0.rc1"}, {"1.0", "1"}, {"1.0.1"}, {"1.8.2.a"}, {"1.8.2.a9"}, {"1.8.2.a10"}, {"1.8.2.b"}, {"1.8.2"}, {"1.10"}},
}

func TestOrderIsTheEcosystems(t *testing.T) {
	for name, cells := range ascending {
		r, _ := Of(name)
		for i, x := range cells {
			for j, y := range cells {
				for _, a := range x {
					for _, b := range y {
						if !r.Valid(a) {
							t.Fatalf("%s: %q should be valid", name, a)
						}
						if got, want := r.Compare(a, b), sign(i-j); got != want {
							t.Errorf("%s: %q and %q compare as %d, not %d", name, a, b, got, want)
						}
					}
				}
			}
		}
	}
}

func TestWhatIsNoVersionIsSaid(t *testing.T) {
	for name, list := range map[string][]string{
		"golang":   {"", "main", "1.2.3.4", "1..2", "1.0.0-", "1.0.0-a..b", "v", "1.0 "},
		"pypi":     {"", "abc", "1.0-", "1.0.x", "1.0+", "1.0+a..b", "!1", "1.0 .1"},
		"maven":    {"", "[1,2)", "1 2"},
		"gem":      {"", "a", "1..2", "1.", "1_2"},
		"rpm":      {"", "x:1", "1 2", "-1"},
		"apk":      {"", "a", "1.", "1..2", "1ab", "1_foo", "1-r", "1-r1.2", "1.2a3", "1-1", "1_p1a", "1~", "1~xyz", "1 "},
		"nuget":    {"", "v1.0", "1.0.0.0.0", "1.0-", "1.0-a..b", "1.a"},
		"composer": {"", "dev-main", "1.x-dev", "main", "1.0-beta-alpha", "1.0-dev-beta", "1.0.0.0.0", "1.0-", "1.0-stable1", "1.0 beta"},
		"pub":      {"", "main", "1.0.0-"},
		"cran":     {"", "1-", "a", "1..2", "1.0a"},
		"hackage":  {"", "1-0", "1.", ".1"},
	} {
		r, _ := Of(name)
		for _, s := range list {
			if r.Valid(s) {
				t.Errorf("%s takes %q for a version", name, s)
			}
		}
	}
	for _, s := range []string{"", "a:1", "1 2", ":", "1.0_1"} {
		if validDebian(s) {
			t.Errorf("deb takes %q for a version", s)
		}
	}
}

// pieces of which versions are made at random: what exists meets what is odd.
var pieces = []string{"0", "1", "2", "10", "00", ".", "-", "_", "+", "~", "^", ":", "!", "a", "b", "rc", "alpha", "beta", "dev", "post", "pre", "sp", "ga", "final", "snapshot", "foo", "v", "git", "el9", "patch", "stable", "_p", "-r1", "~0f", "A", "RC"}

func arbitrary(valid func(string) bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 7).Draw(t, "pieces"), "")
	}).Filter(valid)
}

// Every rule is a total order: of any versions, sorting gives a list in which
// each is at most any later one, and the reverse says the opposite.
func TestOrderIsTotal(t *testing.T) {
	for name := range ascending {
		r, _ := Of(name)
		known := slices.Concat(ascending[name]...)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			list := rapid.SliceOfN(rapid.OneOf(arbitrary(r.Valid), rapid.SampledFrom(known)), 3, 6).Draw(t, "versions")
			slices.SortFunc(list, r.Compare)
			for i, a := range list {
				for j, b := range list {
					c := r.Compare(a, b)
					if c != -r.Compare(b, a) || i == j && c != 0 {
						t.Fatalf("%q and %q compare as %d, the other way round as %d", a, b, c, r.Compare(b, a))
					}
					if i < j && c > 0 {
						t.Fatalf("%q comes before %q in sorted order and is greater: %q", a, b, list)
					}
				}
			}
			for _, a := range list {
				for _, b := range list {
					for _, c := range list {
						if r.Compare(a, b) == 0 && r.Compare(a, c) != r.Compare(b, c) {
							t.Fatalf("%q equals %q, and they compare differently with %q", a, b, c)
						}
					}
				}
			}
		}))
	}
}

func FuzzCompare(f *testing.F) {
	for name, cells := range ascending {
		for i := 1; i < len(cells); i++ {
			f.Add(name, cells[i-1][0], cells[i][0])
		}
	}
	f.Fuzz(func(t *testing.T, name, a, b string) {
		r, ok := Of(name)
		if !ok || !r.Valid(a) || !r.Valid(b) {
			return
		}
		if r.Compare(a, b) != -r.Compare(b, a) || r.Compare(a, a) != 0 {
			t.Errorf("%s: %q and %q have no order", name, a, b)
		}
	})
}
