package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"noroshi/action"
	"noroshi/analyse/exposure"
	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
)

// store is a service that speaks Redis, on a loopback address of its own; its
// owner may mend it, after which it takes no connections.
type store struct {
	*testing.T
	at     string
	port   string
	listen net.Listener
	calls  atomic.Int64
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{T: t, at: "127.0.0.97"}
	var err error
	s.listen, err = net.Listen("tcp", s.at+":0")
	must(t, err)
	_, s.port, _ = net.SplitHostPort(s.listen.Addr().String())
	go func() {
		for {
			c, err := s.listen.Accept()
			if err != nil {
				return
			}
			s.calls.Add(1)
			go func() {
				defer func() { _ = c.Close() }()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if text := "redis_version:7.0.15\r\n"; strings.HasPrefix(strings.ToUpper(lines.Text()), "INFO") || strings.EqualFold(lines.Text(), "INFO") {
						_, _ = fmt.Fprintf(c, "$%d\r\n%s\r\n", len(text), text) // The scanner may be gone.
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { _ = s.listen.Close() }) // It may be mended.
	return s
}

// mend lets nobody reach it any more.
func (s *store) mend() { must(s.T, s.listen.Close()) }

// scopeText is what the owner has authorised: the store's port, and a range so
// slow that it takes minutes.
func (s *store) scopeText(ranges, rate string) string {
	return `owner: Laboratory
contact: lab@example.jp
legal_basis: own systems
proof: {kind: letter, reference: drawer 3, recorded_by: [Hanako, Taro]}
ranges: [` + ranges + `]
ports: [` + s.port + `]
rate: ` + rate + `
caps: {address: 100, network: 100, owner: 100000}
valid_until: 2099-01-01T00:00:00Z
`
}

// command runs the program as its users do.
func (p *platform) command(args ...string) string {
	p.Helper()
	c := exec.CommandContext(p.Context(), os.Getenv("NOROSHI"), append(args, "--data", filepath.Join(p.Dir, "data"))...)
	out, err := c.CombinedOutput()
	if err != nil {
		p.Fatalf("noroshi %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// colleague signs a second person in, who may approve.
func (p *platform) colleague(name, org string) *http.Client {
	p.Helper()
	said := p.command("person", "add", name, "--org", org, "--role", "administrator")
	_, secret, ok := strings.Cut(strings.Fields(said)[0], "#")
	if !ok {
		p.Fatalf("there is no link in %q", said)
	}
	w := &world{platform: p}
	return w.signIn(secret)
}

// scanner runs a scanner until the test ends, or it is killed; under is a
// command that runs it somewhere else.
func (p *platform) scanner(mode string, under ...string) (kill func()) {
	p.Helper()
	all := append(under, os.Getenv("NOROSHI"), "scanner", "--mode", mode, "--name", "one", "--data", filepath.Join(p.Dir, "data"))
	c := exec.CommandContext(context.WithoutCancel(p.Context()), all[0], all[1:]...)
	log, err := os.CreateTemp(p.TempDir(), "scanner")
	must(p, err)
	c.Stderr = log
	must(p, c.Start())
	kill = func() {
		if c.ProcessState == nil {
			_ = c.Process.Signal(syscall.SIGKILL) // It may have ended.
			_ = c.Wait()
		}
	}
	p.Cleanup(func() {
		kill()
		if said, _ := os.ReadFile(log.Name()); p.Failed() {
			p.Logf("the scanner says:\n%s", said)
		}
	})
	return kill
}

// propose records a scope by the command line and has a colleague approve it.
func (p *platform) propose(org, text string, colleague *http.Client) exposure.Scope {
	p.Helper()
	file := filepath.Join(p.TempDir(), "scope.yml")
	must(p, os.WriteFile(file, []byte(text), 0o600))
	id := strings.Fields(p.command("scope", "propose", file, "--org", org))[0]
	resp, err := colleague.Post("http://"+p.console+"/api/v1/scopes/"+id+"/approve", "application/json", strings.NewReader(`{"version":1}`))
	must(p, err)
	defer func() { _ = resp.Body.Close() }()
	var c exposure.Scope
	must(p, json.NewDecoder(resp.Body).Decode(&c))
	if c.State != exposure.InForce {
		p.Fatalf("the scope is not in force: %s %+v", resp.Status, c)
	}
	return c
}

// action is what must be done about a weakness.
func (p *platform) action(name string) action.Action {
	p.Helper()
	var list struct{ Items []action.Action }
	must(p, p.API.Get(p.Context(), "/api/v1/actions?limit=100", &list))
	for _, x := range list.Items {
		if x.Weakness.Name == name {
			return x
		}
	}
	p.Fatalf("there is no action about %s: %+v", name, list.Items)
	return action.Action{}
}

// claim says that it is mended.
func (p *platform) claim(x action.Action) {
	p.Helper()
	must(p, p.API.Post(p.Context(), "/api/v1/actions/"+string(x.ID)+"/claim", map[string]any{"version": x.Version, "reason": "It was mended."}, nil))
}

func (p *platform) runs() []exposure.ScanRun {
	p.Helper()
	var page struct{ Items []exposure.ScanRun }
	must(p, p.API.Get(p.Context(), "/api/v1/surface/runs", &page))
	return page.Items
}

// TestFromAScopeToWhatIsSeen tells the story: two people put a scope in force,
// the scanner finds what is open, the hub says what is weak about it.
func TestFromAScopeToWhatIsSeen(t *testing.T) {
	p := start(t, "")
	s := newStore(t)
	taro := p.colleague("Taro", "a")
	c := p.propose("a", s.scopeText(s.at+"/32", "50"), taro)
	p.scanner("connect")
	var assets struct{ Items []exposure.Host }
	waitFor(t, "the store is seen", func() bool {
		must(t, p.API.Get(t.Context(), "/api/v1/assets", &assets))
		return len(assets.Items) == 1
	})
	if x := assets.Items[0]; x.Org != p.orgs["a"].ID || x.Address.String() != s.at || len(x.Services) != 1 || x.Services[0].Port.Product != "Redis" || x.Services[0].Port.Version != "7.0.15" {
		t.Errorf("what is seen is %+v", x)
	}
	waitFor(t, "the run is done", func() bool { return p.runs()[0].State == exposure.Done })
	if r := p.runs()[0]; r.Scope != c.ID || r.Open != 1 || r.Weak != 2 || r.Changes != 1 || r.By != "one" {
		t.Errorf("the run is %+v", r)
	}
	act := func() action.Action { return p.action("exposed-redis") }
	if x := act(); x.State != action.Open || x.Org != p.orgs["a"].ID || x.Weakness.Name != "exposed-redis" || x.Weakness.Place != "tcp/"+s.port || x.Weakness.TitleJA == "" {
		t.Errorf("the action is %+v", x)
	}
	s.mend()
	p.claim(act())
	waitFor(t, "the claim is proved", func() bool { return act().State == action.Proved })
	if r := p.runs()[0]; len(r.Only) != 1 || r.Only[0] != s.listen.Addr().String() {
		t.Errorf("the re-check was %+v", r)
	}
	waitFor(t, "the host is seen without it", func() bool {
		var h exposure.Host
		must(t, p.API.Get(t.Context(), "/api/v1/assets/"+string(assets.Items[0].ID), &h))
		return h.Services[0].State == "gone" && len(h.Changes) == 2
	})
	scanner := operator.Dial(app.ScannerSocket(filepath.Join(p.Dir, "data")))
	for _, path := range []string{"/api/v1/findings", "/api/v1/scopes", "/link"} {
		if err := scanner.Get(t.Context(), path, nil); fault.KindOf(err) != fault.Denied {
			t.Errorf("a scanner may ask for %s: %v", path, err)
		}
	}
	var page api.ScopePage
	must(t, p.API.Get(t.Context(), "/api/v1/scopes/"+string(c.ID), &page))
	if len(page.History) < 2 || page.History[0].Actor == page.History[1].Actor {
		t.Errorf("the history of the scope is %+v", page.History)
	}
}

// TestAWithdrawalStopsTheScannerWithinASecond withdraws a scope while a scan goes
// on, and listens whether anything comes after a second.
func TestAWithdrawalStopsTheScannerWithinASecond(t *testing.T) {
	p := start(t, "")
	s := newStore(t)
	taro := p.colleague("Taro", "a")
	// Every address of 127.0.0.0/8 is this machine: the listener there hears what comes to all of them.
	all, err := net.Listen("tcp", "0.0.0.0:0")
	must(t, err)
	t.Cleanup(func() { _ = all.Close() })
	var last atomic.Int64
	go func() {
		for {
			c, err := all.Accept()
			if err != nil {
				return
			}
			last.Store(time.Now().UnixNano())
			_ = c.Close()
		}
	}()
	_, s.port, _ = net.SplitHostPort(all.Addr().String())
	c := p.propose("a", s.scopeText("127.77.0.0/18", "50"), taro)
	kill := p.scanner("connect")
	waitFor(t, "the scan is under way", func() bool { return last.Load() > 0 })
	kill() // And it goes on with the same run.
	heard := last.Load()
	p.scanner("connect")
	waitFor(t, "the scan goes on", func() bool { return last.Load() > heard })
	if list := p.runs(); len(list) != 1 {
		t.Errorf("there are %d runs", len(list))
	}
	p.command("scope", "withdraw", string(c.ID), "--reason", "the contract ended")
	withdrawn := time.Now()
	waitFor(t, "the run is over", func() bool { return p.runs()[0].State == exposure.Ended })
	if late := time.Unix(0, last.Load()).Sub(withdrawn); late > time.Second {
		t.Errorf("a probe came %s after the withdrawal", late)
	}
	if r := p.runs()[0]; r.Why != "withdrawn" {
		t.Errorf("the run is %+v", r)
	}
}

// TestEverybodyMayReadWhoScansAndAskNotToBeScanned uses the public page.
func TestEverybodyMayReadWhoScansAndAskNotToBeScanned(t *testing.T) {
	p := start(t, "  scans: {operator: Coordination Centre, operator_ja: 統括センター, contact: scans@example.jp, addresses: [192.0.2.200]}\n")
	page := "http://" + p.console + "/about-scans"
	for lang, want := range map[string]string{"en": "No password is ever tried", "ja": "パスワードを試すこと"} {
		resp, err := http.Get(page + "?lang=" + lang)
		must(t, err)
		body, err := readAll(resp)
		must(t, err)
		if !strings.Contains(body, want) || !strings.Contains(body, "192.0.2.200") || !strings.Contains(body, "scans@example.jp") || strings.Contains(body, "<script") {
			t.Errorf("the page says %s", body)
		}
	}
	code := 0
	for range 6 {
		resp, err := http.PostForm(page, url.Values{"prefix": {"192.0.2.7"}, "contact": {"me@example.net"}, "reason": {"<b>It is mine.</b>"}})
		must(t, err)
		code = resp.StatusCode
		_, err = readAll(resp)
		must(t, err)
	}
	if code != http.StatusTooManyRequests {
		t.Errorf("the sixth request within an hour is answered by %d", code)
	}
	var asked struct{ Items []exposure.OptOut }
	must(t, p.API.Get(t.Context(), "/api/v1/opt-outs?state=asked", &asked))
	if len(asked.Items) != 5 || asked.Items[0].Prefix.String() != "192.0.2.7/32" || asked.Items[0].Contact != "me@example.net" {
		t.Errorf("what was asked is %+v", asked.Items)
	}
}

// readAll reads an answer and closes it.
func readAll(resp *http.Response) (string, error) {
	defer func() { _ = resp.Body.Close() }()
	var b strings.Builder
	_, err := bufio.NewReader(resp.Body).WriteTo(&b)
	return b.String(), err
}

// TestARealServiceThatIsMendedIsProved scans a web server of another machine by
// raw packets. It shows a folder; a claim that it does not any more is denied
// while it does, and proved when it does not, though its port stays open.
func TestARealServiceThatIsMendedIsProved(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		missing(t, "the web server is Python's; Debian's package python3 has it")
	}
	l := newLAN(t, "scanner", "web")
	l.ip("-n", l.ns("scanner"), "route", "add", "10.99.0.0/24", "via", l.hosts["web"])
	l.ip("-n", l.ns("web"), "route", "add", "local", "10.99.0.5/32", "dev", "lo")
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "secret.txt"), []byte("x"), 0o644))
	l.start("web", l.listening("web", "80"), python, "-m", "http.server", "80", "--directory", dir)
	p := start(t, "")
	s := &store{T: t, port: "80"}
	p.propose("a", s.scopeText("10.99.0.4/30", "50"), p.colleague("Taro", "a"))
	p.scanner("syn", "ip", "netns", "exec", l.ns("scanner"))
	waitFor(t, "the run is done", func() bool { r := p.runs(); return len(r) == 1 && r[0].State == exposure.Done })
	if got := string(p.runs()[0].Summary); !strings.Contains(got, `"mode":"syn"`) {
		t.Errorf("the scan was %s", got)
	}
	if x := p.action("directory-listing"); x.Weakness.Asset.Key != "10.99.0.5" || x.State != action.Open {
		t.Errorf("the action is %+v", x)
	}
	must(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte("<title>Welcome</title>"), 0o644))
	p.claim(p.action("directory-listing"))
	waitFor(t, "it is proved", func() bool { return p.action("directory-listing").State == action.Proved })
	if x := p.action("no-https"); x.State != action.Open {
		t.Errorf("what was not mended is %s", x.State)
	}
}
