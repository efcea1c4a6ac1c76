package e2e

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"noroshi/api"
	"noroshi/bench/kit"
	"noroshi/bus"
	"noroshi/event"
	"noroshi/ident"
	"noroshi/identity/join"
	"noroshi/ledger/quarantine"
	"noroshi/org"
)

// platform is a hub that runs as a process, with two organisations.
type platform struct {
	*testing.T
	*kit.Hub
	orgs                map[string]org.Organisation
	console, enrol, bus string
	said                []string // names of good events
}

// start starts a hub with the organisations a and b; yaml is what its
// configuration says beside.
func start(t *testing.T, yaml string) *platform {
	t.Helper()
	return startWith(t, `  - {slug: a, name: A, name_ja: 甲, kana: こう, sector: health, parent: centre}
  - {slug: b, name: B, name_ja: 乙, kana: おつ, sector: local, parent: centre}
`+yaml)
}

// startWith starts a hub with the organisations with which yaml begins.
func startWith(t *testing.T, yaml string) *platform {
	t.Helper()
	program, err := exec.LookPath("noroshi") // It is this test's own binary: see TestMain.
	must(t, err)
	t.Setenv("NOROSHI", program)
	ports, err := kit.Ports(3)
	must(t, err)
	p := &platform{T: t, orgs: map[string]org.Organisation{}, console: ports[0], enrol: ports[1], bus: ports[2]}
	p.Hub, err = kit.StartHub(t.Context(), filepath.Join(t.TempDir(), "hub"), fmt.Sprintf(`  console: %s
  enrol: %s
  bus: %s
  organisations:
  - {slug: centre, name: Centre, name_ja: 統括, kana: とうかつ, sector: centre}
`+yaml, ports[0], ports[1], ports[2]))
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := os.ReadFile(filepath.Join(p.Dir, "log"))
			t.Logf("the hub says:\n%s", said[max(0, len(said)-8<<10):])
		}
		must(t, p.Kill())
	})
	list, err := p.Organisations(t.Context())
	must(t, err)
	for _, o := range list {
		p.orgs[o.Slug] = o
	}
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until it is so.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(3 * time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen: ", what)
		}
	}
}

// eye is a node that says what this test wants it to say.
type eye struct {
	p    *platform
	id   *join.Credentials
	line *bus.Client
	seq  uint64
}

func (p *platform) eye(slug string) *eye {
	p.Helper()
	token, err := p.Token(p.Context(), p.orgs[slug].ID, "sensor")
	must(p, err)
	id, err := join.Join(p.Context(), token, "eye-"+slug, filepath.Join(p.TempDir(), "identity"))
	must(p, err)
	e := &eye{p: p, id: id, seq: uint64(time.Now().UnixMicro())}
	e.line, err = bus.Dial(id.Bus, bus.Node{Org: id.Org, ID: id.Node, Name: id.Name}, id.TLS())
	must(p, err)
	p.Cleanup(e.line.Close)
	<-e.line.Changed()
	return e
}

// raw is a second line of the node, which follows no manners.
func (e *eye) raw() *nats.Conn {
	nc, err := nats.Connect("tls://"+e.id.Bus, nats.Secure(e.id.TLS()), nats.CustomInboxPrefix("_INBOX_"+string(e.id.Node)), nats.Timeout(time.Minute), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	must(e.p, err)
	e.p.Cleanup(nc.Close)
	return nc
}

// lookup is the node's next event, changed by what lies about it.
func (e *eye) lookup(name string, change ...func(*event.Event)) []byte {
	e.p.Helper()
	e.seq++
	x := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: time.Now().UnixMilli(), Query: &event.DNSQueryInfo{Hostname: name},
		Metadata: event.Metadata{Sequence: e.seq, UID: uid(e.id.Node, e.seq), Tenant: e.id.Org, Reporter: event.Reporter{UID: e.id.Node, Hostname: e.id.Name}}}
	x.Finish()
	for _, c := range change {
		c(x)
	}
	b, err := event.AppendJSON(nil, x)
	must(e.p, err)
	return b
}

func uid(n ident.ID, seq uint64) string { return string(n) + "." + strconv.FormatUint(seq, 36) }

// send sends lines as one batch, which the bus takes.
func (e *eye) send(lines ...[]byte) {
	e.p.Helper()
	frame, err := bus.EncodeBatch(lines)
	must(e.p, err)
	e.sendFrame(frame)
}

func (e *eye) sendFrame(frame []byte) {
	e.p.Helper()
	e.seq++ // Only to make the batch's id another.
	must(e.p, e.line.Publish(e.p.Context(), fmt.Sprint(e.id.Node, e.seq), frame))
}

// seen are the uids of the stored events with a name.
func (p *platform) seen(name string) (uids []string) {
	p.Helper()
	var r api.SearchResult
	must(p, p.API.Get(p.Context(), "/api/v1/search?"+url.Values{"q": {fmt.Sprintf("query.hostname:=%q", name)}}.Encode(), &r))
	for _, row := range r.Rows {
		uids = append(uids, row.Fields["metadata.uid"])
	}
	return uids
}

// goOn lets good nodes say something right after a fault: of the organisation
// that was hostile, and of another.
func (p *platform) goOn(after string, eyes ...*eye) {
	p.Helper()
	for i, e := range eyes {
		name := fmt.Sprintf("good%d.%s.noroshi.example", i, strings.ReplaceAll(strings.ToLower(after), " ", "-"))
		e.send(e.lookup(name))
		p.said = append(p.said, name)
	}
}

// nothingSuffers waits until everything good that was said is shown, once.
func (p *platform) nothingSuffers() {
	p.Helper()
	for _, name := range p.said {
		waitFor(p, name+" is shown", func() bool { return len(p.seen(name)) > 0 })
		if n := len(p.seen(name)); n != 1 {
			p.Errorf("%s is shown %d times", name, n)
		}
	}
	p.said = nil
}

// quarantine is what could not be used, the newest first, and how much it was
// in all.
func (p *platform) quarantine() (newest []quarantine.Quarantined, total int64) {
	p.Helper()
	var q struct {
		Total int64
		Items []quarantine.Quarantined
	}
	must(p, p.API.Get(p.Context(), "/api/v1/quarantine", &q))
	return q.Items, q.Total
}

// counted waits until the quarantine holds more than before, and has the reason
// about the node.
func (p *platform) counted(e *eye, before int64, reason string) {
	p.Helper()
	var now []quarantine.Quarantined
	waitFor(p, "something is put into quarantine", func() bool {
		var n int64
		now, n = p.quarantine()
		return n > before
	})
	for _, q := range now {
		if strings.Contains(q.Reason, reason) && q.Place != "" && q.Node == e.id.Node && q.Org == e.id.Org {
			return
		}
	}
	p.Errorf("nothing was refused because %q; the newest reason is %q", reason, now[0].Reason)
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(context.Background(), "tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}
