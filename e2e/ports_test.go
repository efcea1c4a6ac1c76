package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/api"
	"noroshi/bench/kit"
	"noroshi/indicator"
	"noroshi/share/push"
)

// resolver starts a resolver of an organisation, and a block that it enforces.
func (p *platform) resolver(slug string) (r *kit.Resolver, blocked string) {
	p.Helper()
	ports, err := kit.Ports(2)
	must(p, err)
	stop, err := kit.Upstream(ports[1])
	must(p, err)
	p.Cleanup(stop)
	token, err := p.Token(p.Context(), p.orgs[slug].ID, "resolver")
	must(p, err)
	r, err = kit.StartResolver(p.Context(), filepath.Join(p.TempDir(), "resolver"), token, ports[0], ports[1])
	must(p, err)
	p.Cleanup(func() { must(p, r.Kill()) })
	blocked = "blocked.noroshi-storm.net"
	p.block(blocked)
	return r, blocked
}

// block decides to block a name, and waits until every resolver has confirmed it.
func (p *platform) block(name string) {
	p.Helper()
	var ind indicator.Indicator
	must(p, p.API.Post(p.Context(), "/api/v1/indicators", map[string]any{"observable": name, "action": "block", "tlp": "TLP:GREEN", "pap": "PAP:GREEN",
		"confidence": 90, "valid_hours": 24, "reason": "A test.", "reason_ja": "試験"}, &ind))
	waitFor(p, "the block is confirmed", func() bool {
		var d api.IndicatorDetail
		must(p, p.API.Get(p.Context(), "/api/v1/indicators/"+string(ind.ID), &d))
		for _, x := range d.Deliveries {
			if x.State != push.Confirmed {
				return false
			}
		}
		return len(d.Deliveries) > 0
	})
}

// junk is what a scanner, a confused program or an attacker says to a port.
func junk() map[string][]byte {
	smuggle := "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n"
	return map[string][]byte{
		"noise":                   noise(64 << 10),
		"half a TLS greeting":     {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3},
		"a TLS record of lies":    append([]byte{0x16, 3, 3, 0xff, 0xff}, noise(100)...),
		"an endless header":       []byte("GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"),
		"a million headers":       []byte("GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 1_000_000/6)),
		"two lengths":             []byte("POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 60\r\n\r\n{}\nGET /api/v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n"),
		"a length and chunks":     []byte(smuggle),
		"a folded encoding":       []byte(strings.Replace(smuggle, "Transfer-Encoding: chunked", "Transfer-Encoding:\r\n chunked", 1)),
		"a header with a null":    []byte("GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\nCookie: noroshi_session=\x00\r\n\r\n"),
		"another protocol":        []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\x00\x00\x06\x04", 1000)),
		"a chunk of 2^63 bytes":   []byte("POST /api/v1/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nx"),
		"a body of 2^63 bytes":    []byte("POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9223372036854775807\r\n\r\n{"),
		"a deep body":             body(strings.Repeat(`{"link":`, 10_000)),
		"a body that is too long": body(`{"link":"` + strings.Repeat("x", 1<<20) + `"}`),
		"a greeting of the bus":   []byte("CONNECT {\"user\":\"hub\",\"pass\":\"\"}\r\nPING\r\nPUB obs.x.y 5\r\nhello\r\n"),
		"a DNS message of lies":   {0xff, 0xff, 0, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc0, 12},
	}
}

func body(s string) []byte {
	return fmt.Appendf(nil, "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(s), s)
}

// say says something to a port and returns the beginning of what it answers,
// until it ends the connection or is silent for a moment.
func say(c net.Conn, b []byte) []byte {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.Write(b) // The other side may have hung up.
	}()
	_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
	got, _ := io.ReadAll(io.LimitReader(c, 64<<10))
	_ = c.Close()
	<-done
	return got
}

// TestGarbageOnEveryPort talks nonsense to everything that listens. Nothing of it
// is answered with success, and who comes properly is served all the while.
func TestGarbageOnEveryPort(t *testing.T) {
	p := start(t, "")
	good := p.eye("b")
	r, blocked := p.resolver("b")
	ports := map[string]string{"console": p.console, "enrolment": p.enrol, "bus": p.bus, "resolver": r.Addr}
	for port, addr := range ports {
		var all sync.WaitGroup
		for what, b := range junk() {
			plain := dial(t, addr)
			all.Go(func() {
				if got := say(plain, b); bytes.Contains(got, []byte("HTTP/1.1 2")) || bytes.Contains(got, []byte("PONG")) {
					t.Errorf("%s on the port of the %s succeeds: %.200q", what, port, got)
				}
			})
			if port == "enrolment" { // Behind the greeting, too.
				c := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true})
				must(t, c.SetDeadline(time.Now().Add(time.Minute)))
				must(t, c.Handshake())
				all.Go(func() {
					if got := say(c, b); bytes.Contains(got, []byte("HTTP/1.1 2")) {
						t.Errorf("%s inside TLS succeeds: %.200q", what, got)
					}
				})
			}
		}
		all.Wait()
		p.goOn("junk on "+port, good)
		served(p, r, blocked)
	}
	p.nothingSuffers()
}

// served proves that every port does its work for who comes properly.
func served(p *platform, r *kit.Resolver, blocked string) {
	p.Helper()
	resp, err := http.Get("http://" + p.console + "/api/v1/session")
	must(p, err)
	must(p, resp.Body.Close())
	if resp.StatusCode != http.StatusUnauthorized {
		p.Errorf("the console answers a stranger with %s", resp.Status)
	}
	p.eye("a") // Enrolment and the bus.
	other := netip.AddrFrom4([4]byte{127, 0, 0, 2})
	for _, network := range []string{"udp", "tcp"} {
		waitFor(p, "the resolver blocks over "+network, func() bool {
			return kit.Ask(p.Context(), other, r.Addr, network, blocked, wire.TypeA) == kit.Blocked
		})
		waitFor(p, "the resolver answers over "+network, func() bool {
			return kit.Ask(p.Context(), other, r.Addr, network, "open.noroshi-storm.net", wire.TypeA) == kit.Through
		})
	}
}

// TestSlowClientsHoldNobodyUp opens many connections that never finish what they
// say.
func TestSlowClientsHoldNobodyUp(t *testing.T) {
	p := start(t, "")
	r, blocked := p.resolver("b")
	for addr, beginning := range map[string]string{p.console: "GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\nX: ", p.enrol: "\x16\x03\x01\x02\x00\x01", p.bus: "\x16\x03\x01", r.Addr: "\x02\x00\x00"} {
		for range 300 {
			c := dial(t, addr)
			_, _ = c.Write([]byte(beginning)) // A port that has enough may hang up.
		}
	}
	served(p, r, blocked)
}

// TestMalformedQueriesAreCountedAndHurtNobody sends a resolver thousands of
// messages that are no questions, or nearly.
func TestMalformedQueriesAreCountedAndHurtNobody(t *testing.T) {
	p := start(t, "")
	r, blocked := p.resolver("b")
	c, err := net.Dial("udp", r.Addr)
	must(t, err)
	defer func() { _ = c.Close() }()
	valid, err := new(wire.Msg).SetQuestion("x.noroshi-storm.net.", wire.TypeA).Pack()
	must(t, err)
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range 3000 {
		b := noise(rnd.IntN(1500))
		if i%3 > 0 {
			b = append([]byte(nil), valid...)
			for range 1 + rnd.IntN(4) {
				b[rnd.IntN(len(b))] = byte(rnd.Uint32())
			}
		}
		_, _ = c.Write(b) // A full queue is the resolver's answer too.
	}
	long := append(append([]byte(nil), valid[:12]...), bytes.Repeat([]byte("\x01a"), 30_000)...) // A name of 30,000 labels.
	for _, message := range [][]byte{long, valid[:13], {}, noise(65_535)} {
		say(dial(t, r.Addr), append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	}
	served(p, r, blocked)
	waitFor(t, "the hub knows of malformed queries", func() bool {
		var nodes api.Items[api.Node]
		must(t, p.API.Get(t.Context(), "/api/v1/nodes", &nodes))
		for _, n := range nodes.Items {
			if n.ID == r.ID.Node {
				return n.Malformed > 100
			}
		}
		return false
	})
}
