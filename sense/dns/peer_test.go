package dns

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/indicator"
)

// zone is what the real upstreams serve. It is not below .test, which never
// leaves the house.
var zone = []string{
	"peer.example. 300 IN SOA ns.peer.example. admin.peer.example. 1 3600 600 86400 60",
	"peer.example. 300 IN NS ns.peer.example.",
	"ns.peer.example. 300 IN A 192.0.2.53",
	"www.peer.example. 300 IN A 192.0.2.1",
	"www.peer.example. 300 IN A 192.0.2.2",
	"www.peer.example. 300 IN AAAA 2001:db8::1",
	"alias.peer.example. 300 IN CNAME www.peer.example.",
	"mail.peer.example. 300 IN MX 10 www.peer.example.",
	"text.peer.example. 300 IN TXT \"one\" \"two\"",
	"srv.peer.example. 300 IN SRV 1 2 443 www.peer.example.",
}

// largeText does not fit into any UDP answer.
func largeText() (rr []string) {
	for i := range 20 {
		rr = append(rr, fmt.Sprintf("large.peer.example. 300 IN TXT \"%02d%s\"", i, strings.Repeat("x", 200)))
	}
	return rr
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// peer starts a real resolver and returns its address.
func peer(t *testing.T, program string, args func(dir string, port int) []string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path = filepath.Join("/usr/sbin", program)
		_, err = os.Stat(path)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", program)
		}
		t.Skipf("%s is not installed", program)
	}
	dir, port := t.TempDir(), freePort(t)
	cmd := exec.CommandContext(t.Context(), path, args(dir, port)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	addr := net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	c := wire.Client{Timeout: 200 * time.Millisecond}
	deadline := time.Now().Add(time.Minute)
	for {
		m, _, err := c.Exchange(question("www.peer.example", wire.TypeA), addr)
		if err == nil && len(m.Answer) == 2 {
			return addr
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("%s does not answer: %v\n%s", program, err, said.String())
		}
	}
}

func write(t *testing.T, path, text string) string {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func unbound(t *testing.T) string {
	return peer(t, "unbound", func(dir string, port int) []string {
		conf := fmt.Sprintf("server:\n interface: 127.0.0.1@%d\n username: \"\"\n chroot: \"\"\n directory: %q\n pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n module-config: \"iterator\"\n local-zone: peer.example. static\n", port, dir)
		for _, rr := range append(zone, largeText()...) {
			conf += " local-data: '" + rr + "'\n"
		}
		return []string{"-d", "-c", write(t, filepath.Join(dir, "unbound.conf"), conf+"remote-control:\n control-enable: no\n")}
	})
}

func named(t *testing.T) string {
	return peer(t, "named", func(dir string, port int) []string {
		write(t, filepath.Join(dir, "zone"), strings.Join(append(zone, largeText()...), "\n")+"\n")
		conf := fmt.Sprintf("options { directory %q; pid-file none; session-keyfile none; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; };\ncontrols { };\nzone \"peer.example\" { type primary; file \"zone\"; };\n", dir, port)
		return []string{"-g", "-c", write(t, filepath.Join(dir, "named.conf"), conf)}
	})
}

// essence is what must be the same, whoever answers.
func essence(m *wire.Msg) string {
	var rr []string
	for _, x := range m.Answer {
		x.Header().Ttl = 0
		rr = append(rr, x.String())
	}
	sort.Strings(rr)
	s := wire.RcodeToString[m.Rcode] + "\n" + strings.Join(rr, "\n")
	for _, x := range m.Ns {
		if soa, ok := x.(*wire.SOA); ok && len(rr) == 0 {
			soa.Hdr.Ttl = 0
			s += soa.String()
		}
	}
	return s
}

func TestAnswersAreThoseOfARealUpstream(t *testing.T) {
	for name, start := range map[string]func(*testing.T) string{"unbound": unbound, "named": named} {
		t.Run(name, func(t *testing.T) {
			upstream := start(t)
			r := newRig(t)
			r.cfg.Upstreams, r.deps.Dial = []string{upstream}, nil
			r.cfg.Timeout = time.Minute
			r.run()
			ours := r.r.Addr().String()
			for _, c := range []struct {
				name  string
				qtype uint16
			}{
				{"www.peer.example", wire.TypeA}, {"www.peer.example", wire.TypeAAAA}, {"alias.peer.example", wire.TypeA}, {"alias.peer.example", wire.TypeCNAME},
				{"mail.peer.example", wire.TypeMX}, {"text.peer.example", wire.TypeTXT}, {"srv.peer.example", wire.TypeSRV}, {"peer.example", wire.TypeSOA}, {"peer.example", wire.TypeNS},
				{"none.peer.example", wire.TypeA}, {"www.peer.example", wire.TypeMX}, {"large.peer.example", wire.TypeTXT},
			} {
				for range 2 { // The second comes from the cache.
					q := question(c.name, c.qtype)
					if got := exchange(t, "udp", ours, q); c.name == "large.peer.example" != got.Truncated {
						t.Errorf("%s %s over UDP: TC is %v", c.name, wire.TypeToString[c.qtype], got.Truncated)
					}
					want, got := essence(exchange(t, "tcp", upstream, q)), essence(exchange(t, "tcp", ours, q))
					if got != want {
						t.Errorf("%s %s: %s answers\n%s\nwe answer\n%s", c.name, wire.TypeToString[c.qtype], name, want, got)
					}
				}
			}
			r.book.set("www.peer.example", indicator.Block)
			for _, alias := range []string{"www.peer.example", "alias.peer.example"} {
				if got := short(exchange(t, "udp", ours, question(alias, wire.TypeA))); got != "NXDOMAIN (Blocked)" {
					t.Errorf("%s, blocked: %s", alias, got)
				}
			}
			r.book.drop("www.peer.example")
			for _, alias := range []string{"www.peer.example", "alias.peer.example"} {
				q := question(alias, wire.TypeA)
				if want, got := essence(exchange(t, "udp", upstream, q)), essence(exchange(t, "udp", ours, q)); got != want {
					t.Errorf("%s, revoked: we answer\n%s\nnot\n%s", alias, got, want)
				}
			}
			if st := r.r.Stats(); st.UpstreamErrors+st.Panics+st.Malformed+st.DroppedEvents != 0 || st.CacheHits == 0 {
				t.Errorf("counted %+v", st)
			}
		})
	}
}
