package dns

import (
	"context"
	"errors"
	"net"
	"time"

	wire "github.com/miekg/dns"
)

// clientPatience is how long a client waits while there is a stale answer to
// give (RFC 8767 §5).
const clientPatience = 1800 * time.Millisecond

// flight is one question on its way to the upstreams, for all who wait for it.
type flight struct {
	done chan struct{}
	a    *answer // nil when it failed
	err  error
}

var errBusy = errors.New("too many questions are on their way")

// resolve answers from the cache, else from an upstream, else from what was once
// true.
func (r *Resolver) resolve(ctx context.Context, q *query) *reply {
	k, now := keyOf(q), r.deps.Now()
	old, ok := r.cache.get(k)
	if ok && old.fresh(now) {
		r.st.hits.Add(1)
		return r.opened(old, now)
	}
	usable := ok && old.stale(now)
	if usable && now.Before(old.retry) {
		return r.outdated(old, now)
	}
	f := r.launch(ctx, k)
	var patience <-chan time.Time
	if usable {
		t := time.NewTimer(min(clientPatience, r.cfg.Timeout))
		defer t.Stop()
		patience = t.C
	}
	select {
	case <-f.done:
	case <-patience:
		return r.outdated(old, now)
	case <-ctx.Done():
		return failure(wire.RcodeServerFailure, wire.ExtendedErrorCodeNotReady, "the resolver is stopping")
	}
	now = r.deps.Now()
	switch {
	case usable && (f.a == nil || f.a.failed()):
		return r.outdated(old, now)
	case f.a == nil:
		return r.unreachable(f.err)
	}
	return r.opened(f.a, now)
}

func (r *Resolver) opened(a *answer, now time.Time) *reply {
	m, err := a.open(now)
	if err != nil {
		return failure(wire.RcodeServerFailure, wire.ExtendedErrorCodeInvalidData, "")
	}
	return &reply{msg: m, ede: a.ede[:len(a.ede):len(a.ede)]}
}

func (r *Resolver) outdated(a *answer, now time.Time) *reply {
	r.st.stale.Add(1)
	rep := r.opened(a, now)
	code := wire.ExtendedErrorCodeStaleAnswer
	if rep.msg.Rcode == wire.RcodeNameError {
		code = wire.ExtendedErrorCodeStaleNXDOMAINAnswer
	}
	rep.explain(code, "no upstream answers")
	return rep
}

func (r *Resolver) unreachable(err error) *reply {
	var timeout net.Error
	switch {
	case errors.Is(err, errBusy):
		return failure(wire.RcodeServerFailure, wire.ExtendedErrorCodeOther, "the resolver is busy")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failure(wire.RcodeServerFailure, wire.ExtendedErrorCodeNoReachableAuthority, "no upstream answers")
	}
	return failure(wire.RcodeServerFailure, wire.ExtendedErrorCodeNetworkError, "no upstream can be reached")
}

// launch asks upstream, or joins those who wait for the same answer already.
func (r *Resolver) launch(ctx context.Context, k key) *flight {
	r.flights.Lock()
	defer r.flights.Unlock()
	if f := r.flights.m[k]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	select {
	case r.asking <- struct{}{}:
	default:
		f.err = errBusy
		close(f.done)
		return f
	}
	r.flights.m[k] = f
	go func() {
		defer func() {
			if p := recover(); p != nil {
				r.broke(p)
				f.a, f.err = nil, errBusy
			}
			<-r.asking
			r.flights.Lock()
			delete(r.flights.m, k)
			r.flights.Unlock()
			close(f.done)
		}()
		f.a, f.err = r.fetch(ctx, k)
	}()
	return f
}

// fetch gets one answer from the upstreams and keeps it in the cache. What was
// once true stays there beside a failure, to be used for a while without asking.
func (r *Resolver) fetch(ctx context.Context, k key) (*answer, error) {
	m, err := r.forward(ctx, k)
	var a *answer
	if err == nil {
		a = &answer{ede: errorsOf(m), stored: r.deps.Now(), ttl: lifetime(m)}
		tidy(m, k.do)
		a.packed, err = m.Pack()
	}
	failed := err != nil || a.failed()
	if now := r.deps.Now(); failed {
		if old, ok := r.cache.get(k); ok && old.stale(now) {
			again := *old
			again.retry = now.Add(recheck)
			r.cache.put(k, &again)
			if err != nil {
				return nil, err
			}
			return a, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if a.ttl > 0 {
		r.cache.put(k, a)
	}
	return a, nil
}

// errorsOf returns the Extended DNS Errors of an answer.
func errorsOf(m *wire.Msg) (all []wire.EDNS0_EDE) {
	if o := m.IsEdns0(); o != nil {
		for _, x := range o.Option {
			if e, ok := x.(*wire.EDNS0_EDE); ok && len(all) < 4 {
				all = append(all, wire.EDNS0_EDE{InfoCode: e.InfoCode, ExtraText: clip(e.ExtraText, maxWords)})
			}
		}
	}
	return all
}

// tidy drops what nobody asked for: it would have to be checked against the
// policy, and makes answers longer.
func tidy(m *wire.Msg, do bool) {
	m.Extra, m.Compress, m.Truncated, m.Rcode = nil, true, false, m.Rcode&0xF
	if len(m.Answer) > 0 && answers(m) && !do {
		m.Ns = nil
	}
}
