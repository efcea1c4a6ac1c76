package dns

import (
	"context"
	"encoding/binary"
	"net"
	"testing"

	wire "github.com/miekg/dns"

	"noroshi/event"
	"noroshi/indicator"
)

func fuzzRig(f *testing.F) *rig {
	r := newRig(f)
	r.deps.Emit = func(*event.Event) error { return nil }
	r.book.set("bad.example", indicator.Block)
	r.book.set("tracker.example", indicator.Sinkhole)
	r.book.set("192.0.2.66", indicator.Block)
	return r
}

// check checks what holds for every answer: it can be read, it belongs to the
// question, fits, and leads nowhere the policy forbids.
func check(t *testing.T, r *rig, packet, out []byte, c client) {
	if out == nil {
		return
	}
	m := new(wire.Msg)
	if err := m.Unpack(out); err != nil {
		t.Fatalf("the answer cannot be read: %v", err)
	}
	if !m.Response || m.Id != binary.BigEndian.Uint16(packet) || !c.tcp && len(out) > bufferSize {
		t.Fatalf("%d bytes, %v", len(out), m.MsgHdr)
	}
	if x, found := r.r.inspect(&query{}, m); found {
		t.Fatalf("the answer leads to %s: %v", x.Value, m)
	}
	if len(m.Question) == 1 && m.Rcode == wire.RcodeSuccess {
		if x, found := r.book.Name(canonical(m.Question[0].Name), r.clock.now()); found && x.Action == indicator.Block && m.Question[0].Qclass == wire.ClassINET {
			t.Fatalf("a blocked name was answered: %v", m)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, name := range []string{"www.example.", "bad.example.", "cloaked.example.", "a.test.", "svc.example.", "."} {
		for _, qtype := range []uint16{wire.TypeA, wire.TypeHTTPS, wire.TypeANY, wire.TypeAXFR} {
			b, err := question(name, qtype).Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, true)
		}
	}
	f.Add(append(make([]byte, 12), 0xC0, 12, 0, 1, 0, 1), false)
	r := fuzzRig(f)
	r.start()
	f.Fuzz(func(t *testing.T, packet []byte, tcp bool) {
		c := me
		c.tcp = tcp
		before := r.world.questions()
		check(t, r, packet, r.r.handle(t.Context(), packet, c), c)
		r.world.mu.Lock()
		defer r.world.mu.Unlock()
		for _, q := range r.world.asked[before:] {
			if _, kind := specialZone(canonical(q.Question[0].Name)); kind != 0 {
				t.Fatalf("%s left the house", q.Question[0].Name)
			}
		}
		r.world.asked = nil
	})
}

func FuzzUpstream(f *testing.F) {
	w := newRig(f).world
	for _, q := range []*wire.Msg{question("www.example", wire.TypeA), question("cloaked.example", wire.TypeA), question("svc.example", wire.TypeHTTPS), question("none.example", wire.TypeA)} {
		b, err := w.answer(q).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		r := newRig(t)
		r.book.set("tracker.example", indicator.Sinkhole)
		r.book.set("192.0.2.66", indicator.Block)
		r.deps.Emit = func(*event.Event) error { return nil }
		r.deps.Dial = func(_ context.Context, network, _ string) (net.Conn, error) {
			return &line{network: network, answer: func(q *wire.Msg) []byte {
				b := append([]byte(nil), packet...)
				if len(b) >= 2 {
					binary.BigEndian.PutUint16(b, q.Id)
				}
				return b
			}}, nil
		}
		r.start()
		m := new(wire.Msg)
		q := question("www.example", wire.TypeA)
		if m.Unpack(packet) == nil && len(m.Question) == 1 { // The upstream repeats the question.
			q.Question[0].Name, q.Question[0].Qtype = m.Question[0].Name, m.Question[0].Qtype
		}
		ask, err := q.Pack()
		if err != nil {
			t.Skip()
		}
		for range 2 { // The second comes from the cache.
			check(t, r, ask, r.r.handle(t.Context(), ask, me), me)
		}
		for len(r.r.journal.queue) > 0 {
			if _, err := event.AppendJSON(nil, (<-r.r.journal.queue).event()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
