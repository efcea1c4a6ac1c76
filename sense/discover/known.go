package discover

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"noroshi/discovery"
	"noroshi/observable"
)

const passiveDNS = "passive DNS"

// passive takes what own resolvers saw of the own domains.
func (w *walker) passive(ctx context.Context) error {
	if w.s.Passive == nil {
		return nil
	}
	for _, d := range w.registrable {
		list, err := w.s.Passive.Below(ctx, d)
		if err != nil {
			return err
		}
		for _, x := range list {
			if err := w.sighting(x); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walker) sighting(x Sighting) error {
	name, ok := named(x.Name)
	if !ok || !w.own(name) || w.alike(name, x) {
		return nil
	}
	e := func(k discovery.Kind, via string) discovery.Evidence {
		return discovery.Evidence{Kind: k, Via: via, Asked: x.Type + " " + name, From: passiveDNS, Said: x.Data, At: x.Last.UTC()}
	}
	if err := w.name(name, 1, e(discovery.PassiveName, "")); err != nil {
		return err
	}
	switch x.Type {
	case "A", "AAAA":
		if a, err := netip.ParseAddr(x.Data); err == nil {
			return w.addr(a, e(discovery.PassiveAddress, name))
		}
	case "CNAME":
		if t, ok := named(x.Data); ok && t != name {
			return w.name(t, 2, e(discovery.AliasTarget, name))
		}
	}
	return nil
}

// maxAlike is how many names of one domain may lead to the same.
const maxAlike = 100

// alike tells a name that is one of very many with the same answer: a wildcard
// that somebody asks for whatever comes to mind.
func (w *walker) alike(name string, x Sighting) bool {
	_, parent, _ := strings.Cut(name, ".")
	key := parent + " " + x.Type + " " + x.Data
	if w.same[key]++; w.same[key] <= maxAlike {
		return false
	}
	w.note("%s: more than %d names lead to the same (wildcard); the others are not told", parent, maxAlike)
	return true
}

const maxNamesTold = 5 // of a certificate, in the words about it

// certificates takes the names that stand beside a declared domain in a
// certificate, and the address where it was seen.
func (w *walker) certificates() error {
	for _, c := range w.s.Certificates {
		names, via := w.namesOf(c)
		if via == "" {
			continue // It says nothing about this organisation.
		}
		kind := discovery.Certificate
		if slices.ContainsFunc(w.s.Organisation, func(n string) bool { return sameName(n, c.Organisation) }) {
			kind = discovery.CertificateOrg
		}
		told := strings.Join(names[:min(len(names), maxNamesTold)], ", ")
		if more := len(names) - maxNamesTold; more > 0 {
			told += fmt.Sprintf(" and %d more", more)
		}
		e := discovery.Evidence{Kind: kind, Via: via, Asked: "TLS " + c.Where, From: c.Where, Said: strings.TrimSpace(c.Organisation + " " + told), At: c.At.UTC()}
		for _, n := range names {
			if err := w.name(n, 1, e); err != nil {
				return err
			}
		}
		if at, err := netip.ParseAddrPort(c.Where); err == nil {
			if err := w.addr(at.Addr(), e); err != nil {
				return err
			}
		}
	}
	return nil
}

const maxCertificateNames = 1000

// namesOf are the names in a certificate, and the declared one among them; what
// stands for all below a name is the name.
func (w *walker) namesOf(c discovery.Seen) (names []string, declared string) {
	for _, n := range c.Names[:min(len(c.Names), maxCertificateNames)] {
		name, ok := named(strings.TrimPrefix(n, "*."))
		if !ok || slices.Contains(names, name) || discovery.RegistrableDomain(name) == "" {
			continue
		}
		names = append(names, name)
		if declared == "" && w.declared(observable.Observable{Kind: observable.Domain, Value: name}) {
			declared = name
		}
	}
	return names, declared
}

// sameName compares the names of organisations without regard to case and
// spaces.
func sameName(a, b string) bool {
	a, b = strings.Join(strings.Fields(a), ""), strings.Join(strings.Fields(b), "")
	return a != "" && strings.EqualFold(a, b)
}

// fewNeighbours is how many domains of others an address may serve before it
// counts as shared.
const fewNeighbours = 2

// neighbours looks in passive DNS for domains of others at the addresses that
// were not declared.
func (w *walker) neighbours(ctx context.Context) error {
	if w.s.Passive == nil {
		return nil
	}
	for o := range w.found {
		a, err := netip.ParseAddr(o.Value)
		if err != nil || w.declared(o) {
			continue
		}
		list, err := w.s.Passive.At(ctx, a)
		if err != nil {
			return err
		}
		others := map[string]bool{}
		var last discovery.Evidence
		for _, x := range list {
			name, ok := named(x.Name)
			if d := discovery.RegistrableDomain(name); ok && d != "" && !w.own(name) {
				others[d] = true
				if x.Last.After(last.At) {
					last.At = x.Last.UTC()
				}
			}
		}
		if len(others) > fewNeighbours {
			last.Kind, last.Asked, last.From, last.Said = discovery.Shared, "names at "+o.Value, passiveDNS, fmt.Sprintf("%d domains of others", len(others))
			w.found[o].Note(last)
		}
	}
	return nil
}
