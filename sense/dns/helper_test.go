package dns

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/event"
	"noroshi/indicator"
	"noroshi/label"
)

// book is a policy in a map; what is written in it holds at once.
type book struct {
	mu       sync.Mutex
	names    map[string]Match
	addrs    map[netip.Addr]Match
	notReady bool
}

func (b *book) Name(name string, _ time.Time) (Match, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := name; n != ""; _, n, _ = strings.Cut(n, ".") {
		if m, ok := b.names[n]; ok {
			return m, true
		}
	}
	return Match{}, false
}

func (b *book) Addr(a netip.Addr, _ time.Time) (Match, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.addrs[a]
	return m, ok
}

func (b *book) Ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.notReady
}

func (b *book) set(what string, a indicator.Action) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := Match{Indicator: "ind_1", Action: a, Value: what, Reason: "loader of a stealer", ReasonJA: "情報窃取型の配布元", Realm: label.Real}
	if addr, err := netip.ParseAddr(what); err == nil {
		b.addrs[addr] = m
	} else {
		b.names[what] = m
	}
}

func (b *book) drop(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.names, what)
}

// clock is set by the test.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is an upstream that knows some records and counts what it is asked.
type world struct {
	mu    sync.Mutex
	zone  map[string][]string // "name. TYPE" → records
	down  bool
	asked []*wire.Msg
}

func (w *world) answer(req *wire.Msg) *wire.Msg {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, req)
	if w.down {
		return nil
	}
	m := new(wire.Msg)
	m.SetReply(req)
	q := req.Question[0]
	for _, s := range w.zone[strings.ToLower(q.Name)+" "+wire.TypeToString[q.Qtype]] {
		rr, err := wire.NewRR(s)
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	if len(m.Answer) == 0 {
		m.Rcode = wire.RcodeNameError
		soa, _ := wire.NewRR("example. 600 IN SOA ns.example. admin.example. 1 3600 600 86400 300")
		m.Ns = []wire.RR{soa}
	}
	m.AuthenticatedData = true
	m.Extra = append(m.Extra, mustRR("glue.example. 60 IN A 192.0.2.200"))
	return m
}

func mustRR(s string) wire.RR {
	rr, err := wire.NewRR(s)
	if err != nil {
		panic(err)
	}
	return rr
}

func (w *world) questions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

func (w *world) set(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

// dial is a connection on which the world answers at once, or never.
func (w *world) dial(_ context.Context, network, _ string) (net.Conn, error) {
	return &line{network: network, answer: func(q *wire.Msg) []byte {
		m := w.answer(q)
		if m == nil {
			return nil
		}
		if network == "udp" {
			m.Truncate(bufferSize)
		}
		b, err := m.Pack()
		if err != nil {
			panic(err)
		}
		return b
	}}, nil
}

// line is one question and what comes back.
type line struct {
	net.Conn
	network string
	answer  func(*wire.Msg) []byte
	back    []byte
}

func (l *line) Write(b []byte) (int, error) {
	q, n := new(wire.Msg), len(b)
	if l.network == "tcp" {
		b = b[2:]
	}
	if err := q.Unpack(b); err != nil {
		panic("the resolver asks something that cannot be read: " + err.Error())
	}
	l.back = l.answer(q)
	if l.network == "tcp" && l.back != nil {
		l.back = append([]byte{byte(len(l.back) >> 8), byte(len(l.back))}, l.back...)
	}
	return n, nil
}

func (l *line) Read(b []byte) (int, error) {
	if len(l.back) == 0 {
		return 0, context.DeadlineExceeded
	}
	n := copy(b, l.back)
	l.back = l.back[n:]
	return n, nil
}

func (l *line) Close() error                { return nil }
func (l *line) SetDeadline(time.Time) error { return nil }

type rig struct {
	testing.TB
	cfg    Config
	deps   Deps
	book   *book
	clock  *clock
	world  *world
	events chan *event.Event
	r      *Resolver
}

var me = client{addr: netip.MustParseAddrPort("127.0.0.1:5000"), local: netip.MustParseAddrPort("127.0.0.1:53")}

func newRig(t testing.TB) *rig {
	r := &rig{TB: t,
		book:   &book{names: map[string]Match{}, addrs: map[netip.Addr]Match{}},
		clock:  &clock{t: time.Unix(1_800_000_000, 0)},
		events: make(chan *event.Event, 1000),
		world: &world{zone: map[string][]string{
			"www.example. A":      {"www.example. 300 IN A 192.0.2.1"},
			"www.example. AAAA":   {"www.example. 300 IN AAAA 2001:db8::1"},
			"bad.example. A":      {"bad.example. 300 IN A 192.0.2.66"},
			"cloaked.example. A":  {"cloaked.example. 300 IN CNAME x.tracker.example.", "x.tracker.example. 300 IN A 192.0.2.7"},
			"svc.example. HTTPS":  {"svc.example. 300 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.66"},
			"svc6.example. HTTPS": {"svc6.example. 300 IN HTTPS 1 x.tracker.example."},
			"empty.example. TXT":  {"empty.example. 300 IN TXT \"x\""},
		}}}
	r.cfg = Config{Upstreams: []string{"127.0.0.1:5353"}, Listen: []string{"127.0.0.1:0"}, Timeout: time.Minute}
	r.deps = Deps{Policy: r.book, Now: r.clock.now, Dial: r.world.dial, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Emit: func(e *event.Event) error { r.events <- e; return nil }}
	return r
}

func (r *rig) start() *rig {
	r.Helper()
	var err error
	if r.r, err = New(r.cfg, r.deps); err != nil {
		r.Fatal(err)
	}
	return r
}

func question(name string, qtype uint16) *wire.Msg {
	m := new(wire.Msg)
	m.SetQuestion(wire.Fqdn(name), qtype)
	m.SetEdns0(bufferSize, false)
	return m
}

// ask gives one question to the packet handler.
func (r *rig) ask(name string, qtype uint16) *wire.Msg {
	r.Helper()
	return r.send(question(name, qtype), me)
}

func (r *rig) send(q *wire.Msg, from client) *wire.Msg {
	r.Helper()
	b, err := q.Pack()
	if err != nil {
		r.Fatal(err)
	}
	out := r.r.handle(r.Context(), b, from)
	if out == nil {
		return nil
	}
	m := new(wire.Msg)
	if err := m.Unpack(out); err != nil {
		r.Fatal(err)
	}
	if m.Id != q.Id || !m.Response {
		r.Errorf("the answer has the id %d, not %d, response %v", m.Id, q.Id, m.Response)
	}
	return m
}

// ede returns the first Extended DNS Error, -1 for none.
func ede(m *wire.Msg) (int, string) {
	if o := m.IsEdns0(); o != nil {
		for _, x := range o.Option {
			if e, ok := x.(*wire.EDNS0_EDE); ok {
				return int(e.InfoCode), e.ExtraText
			}
		}
	}
	return -1, ""
}

// short is an answer in one line: rcode, error, data.
func short(m *wire.Msg) string {
	if m == nil {
		return "nothing"
	}
	s := wire.RcodeToString[m.Rcode]
	if m.Rcode == wire.RcodeBadVers {
		s = "BADVERS" // The table has the number's other meaning.
	}
	if code, _ := ede(m); code >= 0 {
		s += " (" + wire.ExtendedErrorCodeToString[uint16(code)] + ")"
	}
	if m.Truncated {
		s += " TC"
	}
	for _, rr := range m.Answer {
		s += " " + rdata(rr)
	}
	return s
}

func (r *rig) want(name string, qtype uint16, want string) *wire.Msg {
	r.Helper()
	m := r.ask(name, qtype)
	if got := short(m); got != want {
		r.Errorf("%s %s: %s; want %s", name, wire.TypeToString[qtype], got, want)
	}
	return m
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("did not happen: " + what)
		}
	}
}
