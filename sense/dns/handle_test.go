package dns

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/event"
	"noroshi/indicator"
	"noroshi/label"
)

func TestWhatIsNoQuestion(t *testing.T) {
	pack := func(change func(*wire.Msg)) []byte {
		m := question("www.example", wire.TypeA)
		m.Id = 7
		change(m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sound := pack(func(*wire.Msg) {})
	for name, c := range map[string]struct {
		packet []byte
		want   string
	}{
		"empty":          {nil, "nothing"},
		"half a header":  {sound[:11], "nothing"},
		"an answer":      {pack(func(m *wire.Msg) { m.Response = true }), "nothing"},
		"a header alone": {sound[:12], "FORMERR"},
		"cut short":      {sound[:20], "FORMERR"},
		"two questions":  {pack(func(m *wire.Msg) { m.Question = append(m.Question, m.Question[0]) }), "FORMERR"},
		"no question":    {pack(func(m *wire.Msg) { m.Question = nil }), "FORMERR"},
		"with an answer": {pack(func(m *wire.Msg) { m.Answer = []wire.RR{mustRR("a.example. 1 IN A 192.0.2.1")} }), "FORMERR"},
		"two OPT":        {pack(func(m *wire.Msg) { m.Extra = append(m.Extra, m.Extra[0]) }), "FORMERR"},
		"asks for OPT":   {pack(func(m *wire.Msg) { m.Question[0].Qtype = wire.TypeOPT }), "FORMERR"},
		"EDNS version 1": {pack(func(m *wire.Msg) { m.IsEdns0().SetVersion(1) }), "BADVERS (Not Supported)"},
		"an update":      {pack(func(m *wire.Msg) { m.Opcode = wire.OpcodeUpdate }), "NOTIMP"},
		"a notification": {pack(func(m *wire.Msg) { m.Opcode = wire.OpcodeNotify }), "NOTIMP"},
		"a transfer":     {pack(func(m *wire.Msg) { m.Question[0].Qtype = wire.TypeAXFR }), "REFUSED (Not Supported)"},
		"part of one":    {pack(func(m *wire.Msg) { m.SetIxfr("example.", 1, "a.", "b."); m.Id = 7 }), "REFUSED (Not Supported)"},
		"mailboxes":      {pack(func(m *wire.Msg) { m.Question[0].Qtype = wire.TypeMAILB }), "REFUSED (Not Supported)"},
		"another class": {pack(func(m *wire.Msg) {
			m.Question[0] = wire.Question{Name: "version.bind.", Qtype: wire.TypeTXT, Qclass: wire.ClassCHAOS}
		}), "REFUSED (Not Supported)"},
		"of the cache":     {pack(func(m *wire.Msg) { m.RecursionDesired = false }), "REFUSED (Not Supported)"},
		"a loop of a name": {append(bytes.Clone(sound[:12]), 0xC0, 12, 0, 1, 0, 1), "FORMERR"},
	} {
		r := newRig(t).start()
		var m *wire.Msg
		if out := r.r.handle(t.Context(), c.packet, me); out != nil {
			m = new(wire.Msg)
			if err := m.Unpack(out); err != nil {
				t.Fatal(err)
			}
			if m.Id != 7 || !m.Response {
				t.Errorf("%s: the answer's header is %v", name, m.MsgHdr)
			}
		}
		if got := short(m); got != c.want {
			t.Errorf("%s: %s; want %s", name, got, c.want)
		}
		st := r.r.Stats()
		if malformed := c.want == "nothing" || strings.HasPrefix(c.want, "FORMERR"); (st.Malformed == 1) != malformed || st.Queries != 0 {
			t.Errorf("%s: counted %+v", name, st)
		}
	}
}

func TestStrangersAreRefused(t *testing.T) {
	r := newRig(t).start()
	stranger := client{addr: netip.MustParseAddrPort("192.0.2.9:5000"), local: me.local}
	if got := short(r.send(question("www.example", wire.TypeA), stranger)); got != "REFUSED (Prohibited)" {
		t.Errorf("a stranger got %s", got)
	}
	if out := r.r.handle(t.Context(), make([]byte, 12), stranger); out != nil {
		t.Error("a stranger's junk was answered")
	}
	if st := r.r.Stats(); st.Refused != 2 || st.Queries != 0 || r.world.questions() != 0 {
		t.Errorf("counted %+v", st)
	}
	r = newRig(t)
	r.cfg.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	r.start()
	if got := short(r.send(question("www.example", wire.TypeA), stranger)); got != "NOERROR 192.0.2.1" {
		t.Errorf("a neighbour got %s", got)
	}
	if got := short(r.send(question("www.example", wire.TypeA), me)); got != "REFUSED (Prohibited)" {
		t.Errorf("the machine itself got %s, though it is not listed", got)
	}
}

func TestClientThatAsksTooMuch(t *testing.T) {
	r := newRig(t)
	r.cfg.RatePerClient = 3
	r.start()
	for i, want := range []string{"NOERROR 192.0.2.1", "NOERROR 192.0.2.1", "NOERROR 192.0.2.1", "NOERROR TC"} {
		if got := short(r.ask("www.example", wire.TypeA)); got != want {
			t.Errorf("query %d: %s", i, got)
		}
	}
	overTCP, other := me, me
	overTCP.tcp, other.addr = true, netip.MustParseAddrPort("127.0.0.2:1")
	if got := short(r.send(question("www.example", wire.TypeA), overTCP)); got != "REFUSED (Prohibited)" {
		t.Errorf("over TCP: %s", got)
	}
	if got := short(r.send(question("www.example", wire.TypeA), other)); got != "NOERROR 192.0.2.1" {
		t.Errorf("another client: %s", got)
	}
	r.clock.pass(time.Second)
	r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1")
}

func TestLimiterCountsAnIPv6NetworkAsOneAndForgets(t *testing.T) {
	l, now := newLimiter(1), time.Unix(1_800_000_000, 0)
	if !l.allow(netip.MustParseAddr("2001:db8::1"), now) || l.allow(netip.MustParseAddr("2001:db8::2"), now) || !l.allow(netip.MustParseAddr("2001:db8:0:1::1"), now) {
		t.Error("a /64 is one client")
	}
	for i := range maxClients + 10 {
		l.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(l.of) > maxClients {
		t.Errorf("%d clients are remembered", len(l.of))
	}
}

// written returns the events of what was asked so far.
func (r *rig) written() []*event.Event {
	r.Helper()
	r.r.journal.close()
	r.r.journal.run()
	close(r.events)
	var all []*event.Event
	for e := range r.events {
		all = append(all, e)
	}
	return all
}

func TestQueryIsWrittenDown(t *testing.T) {
	r := newRig(t).start()
	r.book.set("x.drill.noroshi.test", indicator.Block)
	m := r.book.names["x.drill.noroshi.test"]
	m.Realm = label.Exercise
	r.book.names["x.drill.noroshi.test"] = m
	r.book.set("www.example", indicator.Observe)
	r.ask("CLOAKED.example", wire.TypeA)
	r.ask("x.drill.noroshi.test", wire.TypeAAAA)
	r.ask("www.example", wire.TypeA)
	r.ask(".", wire.TypeNS)
	r.ask("none.example", 65280)
	var got []string
	for _, e := range r.written() {
		// The spool stamps these.
		e.Finish()
		e.Metadata.UID, e.Metadata.Tenant, e.Metadata.Reporter.UID = "nod_a.1", "org_a", "nod_a"
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
		if e.Time != r.clock.now().UnixMilli() || e.ResponseTime != e.Time || e.Metadata.Provider != event.TierResolver {
			t.Errorf("times %d, %d, provider %s", e.Time, e.ResponseTime, e.Metadata.Provider)
		}
		policy := "-"
		if e.Policy != nil {
			policy = e.Policy.UID + " " + e.Policy.Name + " " + e.Policy.Desc
		}
		got = append(got, fmt.Sprintf("%d %s %s %s %d %v action %d %d policy %s labels %v %s:%d>%s:%d %s %s", e.ActivityID, e.Query.Hostname, e.Query.Type, e.RCode, *e.RCodeID, e.Answers,
			e.ActionID, e.DispositionID, policy, e.Metadata.Labels, e.SrcEndpoint.IP, e.SrcEndpoint.Port, e.DstEndpoint.IP, e.DstEndpoint.Port, e.ConnectionInfo.ProtocolName, e.Unmapped))
	}
	want := []string{
		"6 cloaked.example A NOERROR 0 [{x.tracker.example CNAME IN 300} {192.0.2.7 A IN 300}] action 1 1 policy - labels [] 127.0.0.1:5000>127.0.0.1:53 udp map[QueryName:cloaked.example QueryResults:x.tracker.example;192.0.2.7; record_type:A]",
		"6 x.drill.noroshi.test AAAA NXDOMAIN 3 [] action 2 2 policy ind_1 x.drill.noroshi.test loader of a stealer / 情報窃取型の配布元 labels [realm:exercise] 127.0.0.1:5000>127.0.0.1:53 udp map[QueryName:x.drill.noroshi.test record_type:AAAA]",
		"6 www.example A NOERROR 0 [{192.0.2.1 A IN 300}] action 1 1 policy ind_1 www.example loader of a stealer / 情報窃取型の配布元 labels [] 127.0.0.1:5000>127.0.0.1:53 udp map[QueryName:www.example QueryResults:192.0.2.1; record_type:A]",
		"6 . NS NXDOMAIN 3 [] action 1 1 policy - labels [] 127.0.0.1:5000>127.0.0.1:53 udp map[QueryName:. record_type:NS]",
		"6 none.example TYPE65280 NXDOMAIN 3 [] action 1 1 policy - labels [] 127.0.0.1:5000>127.0.0.1:53 udp map[QueryName:none.example record_type:TYPE65280]",
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("written down:\n%s\nwant:\n%s", a, b)
	}
}

func TestEventOfAnyAnswerFitsItsLine(t *testing.T) {
	r := newRig(t)
	for range 100 {
		r.world.zone["long.example. TXT"] = append(r.world.zone["long.example. TXT"], `long.example. 300 IN TXT "`+strings.Repeat(`\"\001`, 120)+`"`)
	}
	r.start()
	overTCP := me
	overTCP.tcp = true
	r.send(question("long.example", wire.TypeTXT), overTCP)
	e := r.written()[0]
	if b, err := event.AppendJSON(nil, e); err != nil || len(e.Answers) != maxAnswers {
		t.Errorf("%d bytes, %d answers, %v", len(b), len(e.Answers), err)
	}
}

func TestJournalNeverWaits(t *testing.T) {
	r := newRig(t).start() // Nobody empties the journal.
	for range maxJournal + 5 {
		r.ask("localhost", wire.TypeA)
	}
	if st := r.r.Stats(); st.DroppedEvents != 5 || st.Queries != maxJournal+5 {
		t.Errorf("counted %+v", st)
	}
}

func TestQuantiles(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("nothing has no median")
	}
	for range 98 {
		h.add(100 * time.Microsecond)
	}
	h.add(0)
	h.add(time.Hour)
	for q, want := range map[float64]time.Duration{0.001: 5 * time.Microsecond, 0.5: 112 * time.Microsecond, 0.98: 112 * time.Microsecond} {
		if got := h.quantile(q); got != want {
			t.Errorf("the quantile %v is %v, not %v", q, got, want)
		}
	}
	if got := h.quantile(0.995); got < time.Hour || got > 2*time.Hour {
		t.Errorf("the slowest took %v", got)
	}
}
