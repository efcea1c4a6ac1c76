package event

import (
	"net/netip"
	"strings"

	"noroshi/observable"
)

// Observable is OCSF observable: a thing that an event shows, and the attribute
// that shows it. Its value has the form in which indicators are written, but a
// name may be one that no indicator can have.
type Observable struct {
	Name string
	observable.Observable
}

// Observables are the names, addresses, hashes and URLs that an event shows, in
// the order of its attributes. They are what an indicator can meet: the live
// matcher looks for each of them, and the store keeps an index of them.
func (e *Event) Observables() []Observable {
	if e.observables != nil {
		return e.observables
	}
	f := finder{make([]Observable, 0, 4+len(e.Answers))}
	if e.Query != nil {
		f.name("query.hostname", e.Query.Hostname)
	}
	for i := range e.Answers {
		// A mail server stands behind its preference, and text may be many words.
		for word := range strings.FieldsSeq(e.Answers[i].RData) {
			f.any("answers.rdata", word)
		}
	}
	f.endpoint(&srcEndpoint, e.SrcEndpoint)
	f.endpoint(&dstEndpoint, e.DstEndpoint)
	switch {
	case e.Process != nil:
		f.process(&process, e.Process)
	case e.Actor != nil:
		f.process(&actorProcess, e.Actor.Process)
	}
	return f.found
}

// FindObservables finds them once for all who ask later. It must be called
// before the event is shared, and the event must not change after it.
func (e *Event) FindObservables() {
	e.observables = e.Observables()
}

type finder struct{ found []Observable }

func (f *finder) add(name string, k observable.Kind, value string) {
	f.found = append(f.found, Observable{name, observable.Observable{Kind: k, Value: value}})
}

func (f *finder) name(at, s string) {
	if s = strings.TrimSuffix(s, "."); s != "" {
		f.add(at, observable.Domain, strings.ToLower(s))
	}
}

// addr adds an address, and tells whether it is one.
func (f *finder) addr(at, s string) bool {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return false
	case a.Is4():
		f.add(at, observable.IPv4, s) // It has one form only.
	case a.Is4In6():
		f.add(at, observable.IPv4, a.Unmap().String())
	default:
		f.add(at, observable.IPv6, a.WithZone("").String())
	}
	return true
}

func (f *finder) any(at, s string) {
	if s = strings.TrimSuffix(s, "."); !f.addr(at, s) {
		f.name(at, s)
	}
}

func (f *finder) endpoint(n *endpointNames, e *Endpoint) {
	if e != nil {
		f.addr(n.ip, e.IP)
		f.name(n.hostname, e.Hostname)
	}
}

// maxExtract bounds what is looked for in one command line.
const maxExtract = 20

func (f *finder) process(n *processNames, p *Process) {
	if p == nil {
		return
	}
	if p.File != nil {
		for _, h := range p.File.Hashes {
			kind := [...]observable.Kind{"", observable.MD5, observable.SHA1, observable.SHA256}[algorithm(h.AlgorithmID)]
			for word := range strings.FieldsSeq(h.Value) {
				f.add(n.hashes[algorithm(h.AlgorithmID)], kind, strings.ToLower(word))
			}
		}
	}
	for _, o := range observable.Extract(p.CmdLine, maxExtract) {
		f.add(n.cmdLine, o.Kind, o.Value)
	}
}
