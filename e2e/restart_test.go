package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	wire "github.com/miekg/dns"

	"noroshi/api"
	"noroshi/bench/kit"
	"noroshi/finding"
)

// asking asks a resolver for a blocked name without a pause until it is stopped,
// also while there is nobody who answers, and reports every answer that is not
// the block.
func asking(t *testing.T, r *kit.Resolver, blocked string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, network := range []string{"udp", "tcp"} {
		wg.Go(func() {
			for ctx.Err() == nil {
				if said := kit.Ask(ctx, kit.Loopback, r.Addr, network, blocked, wire.TypeA); said != kit.Silent && said != kit.Blocked {
					t.Errorf("a blocked name was answered over %s: %s", network, said)
					return
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// TestResolverNeverAnswersUnfiltered starts a resolver anew in every state that a
// crash, a disk and a hub that is away may leave, and asks from before its first
// moment on.
func TestResolverNeverAnswersUnfiltered(t *testing.T) {
	p := start(t, "")
	r, blocked := p.resolver("b")
	ask := func(name string) string { return kit.Ask(t.Context(), kit.Loopback, r.Addr, "udp", name, wire.TypeA) }
	feed := filepath.Join(r.Dir, "data", "resolver", "feeds", "real.all.feed")
	for _, x := range []struct {
		what  string
		spoil func()
		alone bool // it can block without the hub
	}{
		{"a crash", func() {}, true},
		{"a torn last line", func() { write(t, feed, append(read(t, feed), "0badc0de {\"feed\":"...)) }, true},
		{"a spoiled set", func() { b := read(t, feed); b[len(b)/2] ^= 1; write(t, feed, b) }, false},
		{"noise instead of a set", func() { write(t, feed, noise(10_000)) }, false},
		{"an empty file", func() { write(t, feed, nil) }, false},
		{"no file", func() { must(t, os.Remove(feed)) }, false},
	} {
		stop := asking(t, r, blocked)
		must(t, p.Kill())
		must(t, r.Kill())
		x.spoil()
		must(t, r.Start(t.Context()))
		if x.alone {
			waitFor(t, "after "+x.what+", without the hub, it blocks", func() bool { return ask(blocked) == kit.Blocked })
		} else if said := ask("open.noroshi-storm.net"); said != kit.Silent {
			t.Errorf("after %s, without the hub, nobody can say what is blocked, and it says %s", x.what, said)
		}
		must(t, p.Hub.Start(t.Context()))
		waitFor(t, "after "+x.what+", with the hub, it blocks", func() bool { return ask(blocked) == kit.Blocked })
		waitFor(t, "after "+x.what+", with the hub, it serves", func() bool { return ask("open.noroshi-storm.net") == kit.Through })
		waitFor(t, "after "+x.what+", what it enforces is kept again", func() bool { b, err := os.ReadFile(feed); return err == nil && len(b) > 0 })
		stop()
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	return b
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	must(t, os.WriteFile(file, b, 0o600))
}

// TestARuleThatWouldExplodeLeavesTheOthersAtWork starts a hub whose folder of rules
// holds bombs beside a good rule.
func TestARuleThatWouldExplodeLeavesTheOthersAtWork(t *testing.T) {
	dir := t.TempDir()
	rule := func(id, detection string) string {
		return "title: " + id + "\nid: " + id + "\nlogsource: {category: dns_query}\nlevel: low\ndetection:\n" + detection + "  condition: s\n"
	}
	for name, text := range map[string]string{
		"regexp.yml": rule("regexp", "  s:\n    QueryName|re: '"+strings.Repeat("(?:.{100})?", 300)+"'\n"),
		"deep.yml":   rule("deep", "  s: "+strings.Repeat("[", 20_000)+"\n"),
		"noise.yml":  string(noise(100_000)),
		"good.yml":   rule("good", "  s: {QueryName: marked.noroshi.example}\n"),
	} {
		write(t, filepath.Join(dir, name), []byte(text))
	}
	p := start(t, "  rules: ["+dir+"]\n")
	said := string(read(t, filepath.Join(p.Dir, "log")))
	for _, reason := range []string{"regexp.yml", "instructions", "deep.yml", "noise.yml"} {
		if !strings.Contains(said, reason) {
			t.Errorf("the hub does not say %q of the rules that it left out:\n%s", reason, said)
		}
	}
	e := p.eye("a")
	e.send(e.lookup("marked.noroshi.example"))
	waitFor(t, "the good rule finds it", func() bool {
		var list api.Page[finding.Finding, finding.State]
		must(t, p.API.Get(t.Context(), "/api/v1/findings", &list))
		return len(list.Items) == 1 && list.Items[0].Rule.ID == "good"
	})
}
