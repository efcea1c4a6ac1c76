package logsql

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"noroshi/event"
	"noroshi/observable"
)

// TestIndexMissesNothing draws things to look for, and things that show them:
// they must have a word in common.
func TestIndexMissesNothing(t *testing.T) {
	label := rapid.StringMatching(`[a-z0-9_]([a-z0-9-]{0,12}[a-z0-9])?`)
	rapid.Check(t, func(t *rapid.T) {
		var wanted observable.Observable
		e := &event.Event{Query: &event.DNSQueryInfo{}}
		if rapid.Bool().Draw(t, "name") {
			name := strings.Join(rapid.SliceOfN(label, 2, 12).Draw(t, "labels"), ".")
			wanted = observable.Observable{Kind: observable.Domain, Value: name}
			e.Query.Hostname = strings.Join(append(rapid.SliceOfN(label, 0, 12).Draw(t, "below"), name), ".")
		} else {
			b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
			if rapid.Bool().Draw(t, "v4") {
				b = b[:4]
			}
			a, _ := netip.AddrFromSlice(b)
			p, err := a.Prefix(rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
			if err != nil {
				t.Fatal(err)
			}
			wanted = observable.Observable{Kind: observable.CIDR, Value: p.String()}
			e.Answers = []event.DNSAnswer{{RData: a.String()}}
		}
		// The engine finds a phrase where its words stand side by side.
		chains := ""
		for _, f := range appendIndex(nil, e.Observables()) {
			if f.Name == indexField(wanted) {
				chains = " " + strings.ReplaceAll(f.Value, " ", "  ") + " "
			}
		}
		found := func(p string) bool {
			return strings.Contains(chains, " "+p+" ") || strings.Contains(chains, " "+p+".") || strings.Contains(chains, "."+p+".") || strings.Contains(chains, "."+p+" ")
		}
		if asked := phrases(wanted); chains == "" || asked != nil && !slices.ContainsFunc(asked, found) {
			t.Fatalf("%s, looked for as %q, is shown by %q", wanted.Value, asked, chains)
		}
		if strings.Trim(chains, "abcdefghijklmnopqrstuvwxyz0123456789. ") != "" {
			t.Fatalf("%q is more than words", chains)
		}
	})
}

const aHash = "d41d8cd98f00b204e9800998ecf8427e"

// TestIndexStaysWhatItIs: rows are on disk with it.
func TestIndexStaysWhatItIs(t *testing.T) {
	for text, want := range map[string]string{
		"www.evil.test": "observables.domain cabrb1.hjqu5p.pqdd9u", "evil.test": "observables.domain hjqu5p.pqdd9u",
		"192.0.2.1": "observables.ipv4 cesf3q.of7me8.mehdog.iev1jf", "192.0.2.0/24": "observables.ipv4 of7me8.mehdog.iev1jf",
		"2001:db8::1": "observables.ipv6 kipsk0.o8uhl9.b60g5r.i9rvvs.a1h9nt", "http://evil.test/": "observables.url ppat5i.gphfuu",
		aHash: "observables.md5 mjqru3.emkg90", "da39a3ee5e6b4b0d3255bfef95601890afd80709": "observables.sha1 ekorr2.lp1djc",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": "observables.sha256 cmsqme.gml4ta",
	} {
		o, err := observable.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		f := appendIndex(nil, []event.Observable{{Observable: o}})
		if len(f) != 1 || f[0].Name+" "+f[0].Value != want {
			t.Errorf("%s is %q, not %q", text, f, want)
		}
	}
}

// TestIndexIsBounded has names of any length make a short chain.
func TestIndexIsBounded(t *testing.T) {
	for _, name := range []string{strings.Repeat("a.", 1_000_000) + "evil.test", strings.Repeat(strings.Repeat("a", 63)+".", 1000) + "test"} {
		if b := appendChain(nil, observable.Observable{Kind: observable.Domain, Value: name}); len(b) > 7*(maxLabels+1) {
			t.Errorf("a name of %d bytes takes %d bytes of the index", len(name), len(b))
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	e := &event.Event{Query: &event.DNSQueryInfo{Hostname: "www.site-17.example.com"}, SrcEndpoint: &event.Endpoint{IP: "10.1.2.3"}, DstEndpoint: &event.Endpoint{IP: "10.0.0.53"}}
	for i := range 3 {
		e.Answers = append(e.Answers, event.DNSAnswer{RData: fmt.Sprintf("198.51.100.%d", i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		appendIndex(nil, e.Observables())
	}
}
