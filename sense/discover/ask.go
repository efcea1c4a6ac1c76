package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
	"noroshi/observable"
)

// Limits of one question.
const (
	timeout   = 3 * time.Second
	udpSize   = 1232
	maxChain  = 8  // aliases that are followed within one answer
	maxTold   = 64 // records of one answer that are read
	patience  = 2  // times that a question is asked
	maxFailed = 64 // questions in a row without any answer, before the resolver is given up
)

// errLimit ends a walk early; its text is what the summary says.
type errLimit string

func (e errLimit) Error() string { return string(e) }

// Why a walk ended.
const (
	done        = "done"
	outOfAsks   = errLimit("queries_used_up")
	resolverOut = errLimit("resolver_does_not_answer")
	tooMany     = errLimit("too_many_found")
	stopped     = errLimit("stopped")
)

// asker puts questions to the one resolver, at a rate and up to a number.
type asker struct {
	o       Options
	next    time.Time
	asked   int
	limit   int // of the part of the walk that is under way
	silent  int // questions in a row that nobody answered
	failed  map[string]int
	answers map[string]*answer
}

// answer is what came back: the records of the name that was asked, in the order
// of its aliases, and whether the name is there at all.
type answer struct {
	at       time.Time
	question string // "MX example.jp"
	rcode    int
	records  []wire.RR
	absent   bool // NXDOMAIN: nothing is at or below it (RFC 8020)
	ok       bool // it was an answer: records, or the proof that there are none
}

// ask returns the answer to one question, each of which is asked once. The
// error tells that the walk is over; a question that fails is no error.
func (a *asker) ask(ctx context.Context, name string, kind uint16) (*answer, error) {
	key := wire.TypeToString[kind] + " " + name
	if x, ok := a.answers[key]; ok {
		return x, nil
	}
	x := &answer{question: key}
	if a.o.Resolver == "" {
		a.answers[key] = x
		return x, nil
	}
	for range patience {
		if err := a.turn(ctx); err != nil {
			return nil, err
		}
		m, err := a.exchange(ctx, name, kind)
		if ctx.Err() != nil {
			return nil, stopped
		}
		if err == nil {
			a.silent = 0
			a.read(x, m, name, kind)
			break
		}
		if a.silent++; a.silent >= maxFailed {
			return nil, resolverOut
		}
		x.rcode = -1
		if !timedOut(err) {
			break
		}
	}
	if x.rcode == -1 {
		a.failed["no_answer"]++
	} else if !x.ok {
		a.failed[strings.ToLower(wire.RcodeToString[x.rcode])]++
	}
	a.answers[key] = x
	return x, nil
}

func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// turn waits until a question may leave.
func (a *asker) turn(ctx context.Context) error {
	if ctx.Err() != nil {
		return stopped
	}
	if a.asked >= a.limit {
		return outOfAsks
	}
	a.asked++
	now := a.o.Now()
	if wait := a.next.Sub(now); wait > 0 {
		if err := a.o.Pause(ctx, wait); err != nil {
			return stopped
		}
		now = a.next
	}
	a.next = now.Add(time.Duration(float64(time.Second) / a.o.Rate))
	return nil
}

// exchange asks over UDP, and over TCP when the answer does not fit.
func (a *asker) exchange(ctx context.Context, name string, kind uint16) (*wire.Msg, error) {
	q := new(wire.Msg).SetQuestion(wire.Fqdn(name), kind)
	q.SetEdns0(udpSize, false)
	c := wire.Client{Net: "udp", Timeout: timeout, UDPSize: udpSize}
	m, _, err := c.ExchangeContext(ctx, q, a.o.Resolver)
	if err == nil && m.Truncated || errors.Is(err, wire.ErrBuf) {
		if err := a.turn(ctx); err != nil {
			return nil, err
		}
		c.Net = "tcp"
		m, _, err = c.ExchangeContext(ctx, q, a.o.Resolver)
	}
	if err == nil && !answers(q, m) {
		err = errors.New("the answer is to another question")
	}
	return m, err
}

func answers(q, m *wire.Msg) bool {
	return m.Response && m.Opcode == wire.OpcodeQuery && len(m.Question) == 1 && m.Question[0].Qtype == q.Question[0].Qtype &&
		m.Question[0].Qclass == wire.ClassINET && strings.EqualFold(m.Question[0].Name, q.Question[0].Name)
}

// read takes from a message what answers the question: the aliases from the name
// on, as far as they are no circle, and the records at their end. All else that
// a server added is not looked at.
func (a *asker) read(x *answer, m *wire.Msg, name string, kind uint16) {
	x.at, x.rcode = a.o.Now().UTC(), m.Rcode
	x.absent = m.Rcode == wire.RcodeNameError
	x.ok = x.absent || m.Rcode == wire.RcodeSuccess
	if m.Rcode != wire.RcodeSuccess && !x.absent {
		return
	}
	at, seen := wire.Fqdn(name), map[string]bool{}
	for range maxChain {
		key := strings.ToLower(at)
		if seen[key] {
			a.failed["alias_circle"]++
			x.records, x.ok = nil, false
			return
		}
		seen[key] = true
		next := ""
		for _, r := range m.Answer {
			if !strings.EqualFold(r.Header().Name, at) || r.Header().Class != wire.ClassINET || len(x.records) >= maxTold {
				continue
			}
			if alias, ok := r.(*wire.CNAME); ok && kind != wire.TypeCNAME {
				if next == "" {
					next, x.records = alias.Target, append(x.records, r)
				}
			} else if r.Header().Rrtype == kind {
				x.records = append(x.records, r)
			}
		}
		if next == "" {
			break
		}
		at = next
	}
	if len(x.records) > 0 {
		x.absent = false // An alias is there, even when its target is not.
	}
}

// evidence makes one piece of an answer.
func (a *asker) evidence(x *answer, kind discovery.Kind, via, said string) discovery.Evidence {
	return discovery.Evidence{Kind: kind, Via: via, Asked: x.question, From: a.o.Resolver, Said: said, At: x.at}
}

// short is a record without its name, class and TTL.
func short(r wire.RR) string {
	return fmt.Sprint(wire.TypeToString[r.Header().Rrtype], " ", strings.TrimPrefix(r.String(), r.Header().String()))
}

// named is a name of an answer in its normal form; what is no name of a host or
// a service is none.
func named(s string) (string, bool) {
	o, err := observable.ParseKind(observable.Domain, strings.TrimSuffix(s, "."))
	return o.Value, err == nil
}
