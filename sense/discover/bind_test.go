package discover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
	"noroshi/observable"
)

// zones are what the real server has authority over.
var zones = map[string]string{
	"city.example": `
@          NS    ns1
@          NS    ns.provider.example.
@          MX    10 mx1
@          MX    20 mail.provider.example.
@          TXT   "v=spf1 a mx include:_spf include:_spf.city.example include:spf.provider.example ip4:203.0.113.7 ip4:203.0.113.32/28 ip4:198.51.0.0/16 redirect=_more.city.example"
@          TXT   "see portal.city.example and partner.example for help"
@          A     192.0.2.1
_dmarc     TXT   "v=DMARC1; p=none; rua=mailto:reports@reports.example!10m,mailto:dmarc@post.city.example"
_spf       TXT   "v=spf1 a:out.city.example -all"
_more      TXT   "v=spf1 ip6:2001:db8:9::7 -all"
ns1        A     192.0.2.53
mx1        A     192.0.2.25
out        A     203.0.113.26
portal     CNAME edge
edge       CNAME site.cdn.example.
post       A     192.0.2.26
web1       A     203.0.113.81
web2       A     203.0.113.82
vpn        A     198.51.100.9
inside     A     10.0.0.5
known      AAAA  2001:db8:1::7
legacy     TXT   "nothing"
`,
	"wild.example": `
@          NS    ns1
ns1        A     192.0.2.54
*          A     198.51.100.200
www        A     198.51.100.201
mail       A     198.51.100.200
`,
	"loop.example": `
@          NS    ns1
ns1        A     192.0.2.55
@          TXT   "v=spf1 include:a.loop.example -all"
a          TXT   "v=spf1 include:b.loop.example -all"
b          TXT   "v=spf1 include:a.loop.example -all"
`,
	"many.example": `
@          NS    ns1
ns1        A     192.0.2.56
@          TXT   "v=spf1 include:i.many.example -all"
i          TXT   ("v=spf1 a:a1.many.example a:a2.many.example a:a3.many.example a:a4.many.example a:a5.many.example a:a6.many.example "
                  "a:a7.many.example a:a8.many.example a:a9.many.example a:a10.many.example a:late.many.example -all")
late       A     192.0.2.57
`,
	"void.example": `
@          NS    ns1
ns1        A     192.0.2.58
@          TXT   "v=spf1 include:n1.void.example include:n2.void.example include:n3.void.example include:last.void.example -all"
`,
	"2.0.192.in-addr.arpa": `
@          NS    ns1.city.example.
1          PTR   city.example.
9          PTR   liar.city.example.
10         PTR   host.other.example.
`,
	"113.0.203.in-addr.arpa": `
@          NS    ns1.city.example.
81         PTR   web1.city.example.
82         PTR   server.hosting.example.
`,
	"1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": `
@          NS    ns1.city.example.
7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR known.city.example.
8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR hidden.city.example.
`,
}

// server is a BIND on loopback and what it was asked.
type server struct {
	addr string
	mu   sync.Mutex
	log  strings.Builder
}

func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

var asked = regexp.MustCompile(`query: (\S+) IN (\S+)`)

// questions are the names and types that it was asked, once it has written down
// as many as were sent.
func (s *server) questions(t *testing.T, sent int) (out []string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for len(out) < sent {
		if time.Now().After(deadline) {
			t.Fatalf("the server saw %d questions of %d", len(out), sent)
		}
		s.mu.Lock()
		found := asked.FindAllStringSubmatch(s.log.String(), -1)
		s.mu.Unlock()
		out = out[:0]
		for _, m := range found {
			out = append(out, strings.ToLower(m[1])+" "+m[2])
		}
	}
	return out
}

// bind starts the real server; transfer says who may have whole zones.
func bind(t *testing.T, transfer string) *server {
	t.Helper()
	path := "/usr/sbin/named"
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("named is not installed (Debian's package bind9)")
		}
		t.Skip("named is not installed (Debian's package bind9)")
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("options { directory %q; pid-file none; session-keyfile none; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; querylog yes; allow-transfer { %s; }; };\ncontrols { };\n", dir, port, transfer)
	for name, body := range zones {
		conf += fmt.Sprintf("zone %q { type primary; file %q; };\n", name, name)
		write(t, filepath.Join(dir, name), "$TTL 300\n@ SOA ns1.city.example. admin.city.example. 1 3600 600 86400 60\n"+body)
	}
	s := &server{addr: net.JoinHostPort("127.0.0.1", fmt.Sprint(port))}
	cmd := exec.CommandContext(t.Context(), path, "-g", "-c", write(t, filepath.Join(dir, "named.conf"), conf))
	cmd.Stdout, cmd.Stderr = s, s
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	deadline := time.Now().Add(time.Minute)
	for {
		m, _, err := (&wire.Client{Timeout: 200 * time.Millisecond}).Exchange(new(wire.Msg).SetQuestion("void.example.", wire.TypeSOA), s.addr)
		if err == nil && len(m.Answer) == 1 {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("named does not answer: %v\n%s", err, s.log.String())
		}
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// fast walks as quickly as the machine can, and counts the pauses it would make.
func fast(resolver string) Options {
	n := 0
	return Options{Resolver: resolver, Rate: MaxRate, Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Random: func() string { n++; return fmt.Sprint("nobody-has-", n) }}
}

func walked(t *testing.T, s Seeds, o Options) (map[string]discovery.Candidate, discovery.WalkSummary) {
	t.Helper()
	w, err := Walk(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]discovery.Candidate{}
	for _, c := range w.Candidates {
		out[c.Asset.Value] = c
	}
	return out, w.Summary
}

// kinds are the kinds of evidence about an asset, each once.
func kinds(c discovery.Candidate) string {
	var out []string
	for _, e := range c.Evidence {
		if s := string(e.Kind); len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

func domain(name string) Seeds { return Seeds{Domains: []Domain{{Name: name}}} }

// TestAWalkFindsWhatADomainLeadsTo walks a real server's zones from one declared
// domain and one declared prefix.
func TestAWalkFindsWhatADomainLeadsTo(t *testing.T) {
	b := bind(t, "none")
	s := domain("City.Example.")
	s.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}
	o := fast(b.addr)
	o.Labels = []string{"vpn", "nothing"}
	found, sum := walked(t, s, o)
	if sum.Ended != "done" || sum.Found != len(found) {
		t.Errorf("the summary is %+v, with %d found", sum, len(found))
	}
	want := map[string]string{
		"city.example":          "answer ptr_target served_by_own",
		"ns1.city.example":      "answer name_server",
		"ns.provider.example":   "name_server",
		"mx1.city.example":      "answer mail_server",
		"mail.provider.example": "mail_server",
		"_spf.city.example":     "answer spf",
		"_more.city.example":    "answer spf",
		"spf.provider.example":  "spf",
		"out.city.example":      "answer spf",
		"203.0.113.7":           "spf_address",
		"203.0.113.32/28":       "spf_address",
		"2001:db8:9::7":         "spf_address",
		"reports.example":       "dmarc",
		"post.city.example":     "answer dmarc",
		"portal.city.example":   "answer text",
		"edge.city.example":     "alias_target answer",
		"site.cdn.example":      "alias_target",
		"vpn.city.example":      "answer permutation",
		"192.0.2.1":             "address_of ptr",
		"192.0.2.9":             "ptr_alone",
		"192.0.2.10":            "ptr_foreign",
		"host.other.example":    "ptr_target",
		"known.city.example":    "answer ptr_target",
		"2001:db8:1::7":         "address_of ptr",
		"2001:db8:1::8":         "ptr_alone",
	}
	for asset, k := range want {
		if got := kinds(found[asset]); got != k {
			t.Errorf("%s has %q, not %q", asset, got, k)
		}
	}
	for _, asset := range []string{"10.0.0.5", "web1.city.example", "partner.example", "198.51.0.0/16", "nothing.city.example"} {
		if c, ok := found[asset]; ok {
			t.Errorf("%s was found: %+v", asset, c)
		}
	}
	for asset, c := range found {
		if third := c.Asset.Kind == observable.Domain && !discovery.Within(asset, "city.example"); third != c.ThirdParty {
			t.Errorf("%s is a third party: %v", asset, c.ThirdParty)
		}
		for _, e := range c.Evidence {
			if e.Asked == "" || e.From != b.addr || e.At.IsZero() || e.Said == "" {
				t.Errorf("%s has evidence that does not say all: %+v", asset, e)
			}
		}
	}
}

// TestNothingIsAskedAboutOthers reads the real server's own log.
func TestNothingIsAskedAboutOthers(t *testing.T) {
	b := bind(t, "any")
	s := Seeds{Domains: []Domain{{"city.example", b.addr}}, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}}
	s.Certificates = []discovery.Seen{{Names: []string{"city.example", "shop.other.example"}, Where: "192.0.2.1:443"}}
	o := fast(b.addr)
	o.Labels = []string{"vpn"}
	_, sum := walked(t, s, o)
	list := b.questions(t, max(50, sum.Queries))
	for _, q := range list {
		name, _, _ := strings.Cut(q, " ")
		if !discovery.Within(name, "city.example") && !strings.HasSuffix(name, ".arpa") && name != "void.example" {
			t.Errorf("it was asked for %s", q)
		}
	}
}

func TestAZoneIsTransferredOnlyByLeave(t *testing.T) {
	for name, c := range map[string]struct {
		server string // whom it lets transfer
		leave  string // "" is none
		found  bool
		note   string
	}{
		"allowed by both":         {"any", "here", true, ""},
		"allowed by the server":   {"any", "", false, ""},
		"refused by the server":   {"none", "here", false, "does not transfer it"},
		"allowed by nobody":       {"none", "", false, ""},
		"a server that is absent": {"any", "127.0.0.1:1", false, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			b, s := bind(t, c.server), domain("city.example")
			if s.Domains[0].Transfer = c.leave; c.leave == "here" {
				s.Domains[0].Transfer = b.addr
			}
			found, sum := walked(t, s, fast(b.addr))
			if _, ok := found["legacy.city.example"]; ok != c.found {
				t.Errorf("the whole zone was read: %v", ok)
			}
			if c.found && kinds(found["198.51.100.9"]) != "address_of" {
				t.Errorf("an address of the zone has %q", kinds(found["198.51.100.9"]))
			}
			if !strings.Contains(strings.Join(sum.Notes, "\n"), c.note) {
				t.Errorf("the notes are %q", sum.Notes)
			}
			if asked := slices.Contains(b.questions(t, sum.Queries), "city.example AXFR"); asked != (c.leave == "here") {
				t.Errorf("the server was asked for the zone: %v", asked)
			}
		})
	}
}

func TestWildcardsAreNotBelieved(t *testing.T) {
	b := bind(t, "none")
	o := fast(b.addr)
	o.Labels = []string{"www", "mail", "shop"}
	found, sum := walked(t, domain("wild.example"), o)
	if got := kinds(found["www.wild.example"]); got != "answer permutation" {
		t.Errorf("a name that differs has %q", got)
	}
	for _, n := range []string{"mail.wild.example", "shop.wild.example"} {
		if _, ok := found[n]; ok {
			t.Errorf("%s was believed", n)
		}
	}
	if !strings.Contains(strings.Join(sum.Notes, "\n"), "wildcard") {
		t.Errorf("the notes are %q", sum.Notes)
	}
}

// TestNeighboursOfKnownNamesAreTried: web1 is known, so web2 is tried.
func TestNeighboursOfKnownNamesAreTried(t *testing.T) {
	b := bind(t, "none")
	s := domain("city.example")
	s.Certificates = []discovery.Seen{{Names: []string{"city.example", "web1.city.example"}, Organisation: "Example  City", Where: "203.0.113.81:443", At: time.Unix(1e9, 0)}}
	s.Organisation = []string{"example city"}
	found, _ := walked(t, s, fast(b.addr))
	for asset, want := range map[string]string{
		"web1.city.example": "answer certificate_org", "203.0.113.81": "address_of certificate_org ptr",
		"web2.city.example": "answer permutation", "203.0.113.82": "address_of",
	} {
		if got := kinds(found[asset]); got != want {
			t.Errorf("%s has %q, not %q", asset, got, want)
		}
	}
}

func TestSPFChainsEndWhereTheRulesSay(t *testing.T) {
	b := bind(t, "none")
	for name, c := range map[string]struct{ said, absent string }{
		"loop.example": {"circle", ""},
		"many.example": {"more than ten", "late.many.example"},
		"void.example": {"more than two", "last.void.example"},
	} {
		found, _ := walked(t, domain(name), fast(b.addr))
		said := ""
		for _, e := range found[name].Evidence {
			if e.Kind == discovery.SPFBroken {
				said += e.Said
			}
		}
		if !strings.Contains(said, c.said) {
			t.Errorf("%s is broken by %q", name, said)
		}
		if _, ok := found[c.absent]; ok {
			t.Errorf("%s was followed beyond the limit", c.absent)
		}
	}
}

// TestLimitsEndAWalk: what was found until then is told.
func TestLimitsEndAWalk(t *testing.T) {
	b := bind(t, "none")
	s := domain("city.example")
	s.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for n := 1; n <= 32; n *= 2 {
		o := fast(b.addr)
		o.Queries, o.Labels = n, []string{"vpn"}
		found, sum := walked(t, s, o)
		if sum.Queries > n || sum.Ended != "queries_used_up" || len(found) == 0 {
			t.Errorf("with %d queries: %+v, %d found", n, sum, len(found))
		}
	}
	// A prefix of 256 addresses does not leave the guesses without questions.
	s.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	o := fast(b.addr)
	o.Queries, o.Labels = 250, []string{"vpn"}
	found, sum := walked(t, s, o)
	if got := kinds(found["vpn.city.example"]); got != "answer permutation" || !strings.Contains(strings.Join(sum.Notes, "\n"), "reverse names of declared prefixes: not all") {
		t.Errorf("with a large prefix a guess has %q; %+v", got, sum)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w, err := Walk(ctx, s, fast(b.addr)); err != nil || w.Summary.Ended != "stopped" || w.Summary.Queries != 0 {
		t.Errorf("a walk that was stopped: %+v, %v", w.Summary, err)
	}
}
