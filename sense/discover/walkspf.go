package discover

import (
	"context"
	"net/netip"
	"strings"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
	"noroshi/observable"
)

// spfWalk is how far the evaluation of one name's SPF record has gone.
type spfWalk struct {
	root    step
	lookups int
	void    int
	seen    map[string]bool
}

// spf walks what an own name's SPF record names. Includes and redirects within
// the own domains are read; a stranger's record is named, and not asked for.
func (w *walker) spf(ctx context.Context, s step, text string, e func(discovery.Kind) discovery.Evidence) error {
	return w.spfRecord(ctx, &spfWalk{root: s, seen: map[string]bool{s.name: true}}, s.name, text, e)
}

// broken notes that a record breaks the rules, which mail servers count as none.
func (w *walker) broken(walk *spfWalk, why string, e func(discovery.Kind) discovery.Evidence) error {
	x := e(discovery.SPFBroken)
	x.Said = why
	return w.evidence(observable.Observable{Kind: observable.Domain, Value: walk.root.name}, x)
}

func (w *walker) spfRecord(ctx context.Context, walk *spfWalk, at, text string, e func(discovery.Kind) discovery.Evidence) error {
	terms, macros, err := parseSPF(text)
	if err != nil {
		return w.broken(walk, err.Error(), e)
	}
	if macros > 0 {
		w.note("SPF of %s: %d terms depend on the mail (macros) and are not followed", at, macros)
	}
	for _, t := range terms {
		if t.lookup() {
			if walk.lookups++; walk.lookups > maxSPFLookups {
				return w.broken(walk, "more than ten look-ups", e)
			}
		}
		if err := w.spfTerm(ctx, walk, t, e); err != nil || walk.void > maxSPFVoid {
			return err
		}
	}
	return nil
}

// maxSPFRange is how many addresses a range may have to be told as an asset: a
// wider one is a provider's.
const maxSPFRange = 256

func (w *walker) spfTerm(ctx context.Context, walk *spfWalk, t spfTerm, e func(discovery.Kind) discovery.Evidence) error {
	if t.prefix.IsValid() {
		return w.spfPrefix(t.prefix, e(discovery.SPFAddress))
	}
	name, ok := named(t.domain)
	if t.domain == "" || !ok || name == walk.root.name || t.name == "exists" || t.name == "ptr" {
		return nil
	}
	depth := walk.root.depth + 1
	if t.name != "include" && t.name != "redirect" || !w.own(name) {
		return w.name(name, depth, e(discovery.SPF))
	}
	if err := w.evidence(observable.Observable{Kind: observable.Domain, Value: name}, e(discovery.SPF)); err != nil {
		return err
	}
	w.follow(name, depth)
	if walk.seen[name] {
		return w.broken(walk, "the records include each other in a circle: "+name, e)
	}
	walk.seen[name] = true
	return w.spfInclude(ctx, walk, name, e)
}

func (w *walker) spfInclude(ctx context.Context, walk *spfWalk, name string, e func(discovery.Kind) discovery.Evidence) error {
	x, err := w.a.ask(ctx, name, wire.TypeTXT)
	if err != nil {
		return err
	}
	var records []string
	for _, r := range x.records {
		if t, ok := r.(*wire.TXT); ok && isSPF(strings.Join(t.Txt, "")) {
			records = append(records, strings.Join(t.Txt, ""))
		}
	}
	if len(x.records) == 0 && x.ok {
		if walk.void++; walk.void > maxSPFVoid {
			return w.broken(walk, "more than two look-ups found nothing", e)
		}
	}
	if len(records) > 1 {
		return w.broken(walk, "there are two SPF records at "+name, e)
	}
	if len(records) == 0 {
		return nil
	}
	inner := func(k discovery.Kind) discovery.Evidence { return w.a.evidence(x, k, walk.root.name, records[0]) }
	return w.spfRecord(ctx, walk, name, records[0], inner)
}

// spfPrefix notes addresses that may send mail for an own name.
func (w *walker) spfPrefix(p netip.Prefix, e discovery.Evidence) error {
	if p.IsSingleIP() {
		return w.addr(p.Addr(), e)
	}
	if a := p.Addr(); !a.IsGlobalUnicast() || a.IsPrivate() || p.Addr().BitLen()-p.Bits() > 8 {
		w.note("%s: a range of more than %d addresses is not told as an asset", p, maxSPFRange)
		return nil
	}
	return w.evidence(observable.Observable{Kind: observable.CIDR, Value: p.String()}, e)
}
