package dns

import (
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/event"
	"noroshi/label"
)

// Bounds of what is written down of one answer, far within event.MaxLine.
const (
	maxJournal = 16384 // answers waiting to be written down
	maxAnswers = 32
	maxRData   = 512
)

// entry is one answered query.
type entry struct {
	q    *query
	rep  *reply
	left time.Time
}

// journal writes down every query without ever making one wait: what does not
// fit in its queue is dropped and counted.
type journal struct {
	emit    func(*event.Event) error
	dropped atomic.Uint64

	mu     sync.RWMutex
	closed bool
	queue  chan entry
}

func newJournal(emit func(*event.Event) error) *journal {
	return &journal{emit: emit, queue: make(chan entry, maxJournal)}
}

func (j *journal) note(e entry) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.closed {
		j.dropped.Add(1)
		return
	}
	select {
	case j.queue <- e:
	default:
		j.dropped.Add(1)
	}
}

// run writes until close was called and everything is written.
func (j *journal) run() {
	for e := range j.queue {
		if err := j.emit(e.event()); err != nil {
			j.dropped.Add(1)
		}
	}
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	close(j.queue)
}

// event is the query as OCSF says it.
func (e entry) event() *event.Event {
	q, m := e.q, e.rep.msg
	rcode := m.Rcode
	ev := &event.Event{
		ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic,
		Time: q.arrived.UnixMilli(), ResponseTime: e.left.UnixMilli(),
		Metadata:    event.Metadata{Provider: event.TierResolver, Profiles: []string{"security_control"}},
		Query:       &event.DNSQueryInfo{Hostname: q.name, Type: typeName(q.q.Qtype), Class: "IN"},
		SrcEndpoint: endpoint(q.addr), DstEndpoint: endpoint(q.local),
		ConnectionInfo: &event.ConnectionInfo{ProtocolName: "udp", ProtocolNum: 17, DirectionID: event.DirectionInbound},
		RCode:          wire.RcodeToString[rcode], RCodeID: &rcode,
		ActionID: event.ActionAllowed, DispositionID: event.DispositionAllowed,
	}
	if q.name == "" {
		ev.Query.Hostname = "."
	}
	if q.tcp {
		ev.ConnectionInfo.ProtocolName, ev.ConnectionInfo.ProtocolNum = "tcp", 6
	}
	results := ""
	for _, rr := range m.Answer[:min(len(m.Answer), maxAnswers)] {
		h := rr.Header()
		a := event.DNSAnswer{RData: clip(rdata(rr), maxRData), Type: typeName(h.Rrtype), Class: "IN", TTL: int(h.Ttl)}
		ev.Answers = append(ev.Answers, a)
		results += a.RData + ";"
	}
	ev.Unmapped = map[string]string{"QueryName": ev.Query.Hostname, "record_type": ev.Query.Type}
	if results != "" {
		ev.Unmapped["QueryResults"] = results
	}
	if x := e.rep.match; x != nil {
		desc := x.Reason
		if x.ReasonJA != "" {
			desc += " / " + x.ReasonJA
		}
		ev.Policy = &event.Policy{UID: string(x.Indicator), Name: x.Value, Desc: desc}
		if x.Realm == label.Exercise {
			ev.Metadata.Labels = []string{"realm:exercise"}
		}
	}
	if e.rep.acted {
		ev.ActionID, ev.DispositionID = event.ActionDenied, event.DispositionBlocked
	}
	return ev
}

func endpoint(a netip.AddrPort) *event.Endpoint {
	return &event.Endpoint{IP: a.Addr().WithZone("").String(), Port: int(a.Port())}
}

func typeName(t uint16) string {
	if s, ok := wire.TypeToString[t]; ok {
		return s
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// rdata is a record's data; a name in it is written as names are everywhere else.
func rdata(rr wire.RR) string {
	switch rr := rr.(type) {
	case *wire.CNAME:
		return canonical(rr.Target)
	case *wire.DNAME:
		return canonical(rr.Target)
	case *wire.PTR:
		return canonical(rr.Ptr)
	case *wire.NS:
		return canonical(rr.Ns)
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}
