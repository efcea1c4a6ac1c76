package discover

import (
	"context"
	"strings"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
	"noroshi/observable"
)

// visit looks into one own name.
func (w *walker) visit(ctx context.Context, s step) error {
	four, err := w.a.ask(ctx, s.name, wire.TypeA)
	if err != nil {
		return err
	}
	if err := w.learn(ctx, s, four); err != nil || four.absent {
		return err
	}
	if aliased(four) {
		return w.more(ctx, s, wire.TypeAAAA) // Beside an alias there is nothing else (RFC 1034, section 3.6.2).
	}
	return w.more(ctx, s, wire.TypeAAAA, wire.TypeNS, wire.TypeMX, wire.TypeTXT)
}

func (w *walker) more(ctx context.Context, s step, kinds ...uint16) error {
	for _, kind := range kinds {
		x, err := w.a.ask(ctx, s.name, kind)
		if err == nil {
			err = w.learn(ctx, s, x)
		}
		if err != nil {
			return err
		}
		if kind == wire.TypeMX && (len(x.records) > 0 || s.depth == 0) {
			if err := w.dmarc(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func aliased(x *answer) bool {
	return len(x.records) > 0 && x.records[0].Header().Rrtype == wire.TypeCNAME
}

// learn takes what an answer says about a name: of itself, and of what it leads
// to by itself or by a stranger's name.
func (w *walker) learn(ctx context.Context, s step, x *answer) error {
	if len(x.records) == 0 {
		return nil
	}
	all := make([]string, len(x.records))
	for i, r := range x.records {
		all[i] = short(r)
	}
	if err := w.evidence(observable.Observable{Kind: observable.Domain, Value: s.name}, w.a.evidence(x, discovery.Answer, "", strings.Join(all, "; "))); err != nil {
		return err
	}
	foreign := false
	for i, r := range x.records {
		said := all[i]
		if err := w.record(ctx, s, r, foreign, func(k discovery.Kind) discovery.Evidence { return w.a.evidence(x, k, s.name, said) }); err != nil {
			return err
		}
		if c, ok := r.(*wire.CNAME); ok {
			t, named := named(c.Target)
			foreign = foreign || !named || !w.own(t)
		}
	}
	return nil
}

// record takes one record of an own name, from an answer or from a zone.
func (w *walker) record(ctx context.Context, s step, r wire.RR, foreign bool, e func(discovery.Kind) discovery.Evidence) error {
	kind := discovery.AddressOf
	if foreign {
		kind = discovery.AliasAddress
	}
	target, as := "", discovery.Kind("")
	switch r := r.(type) {
	case *wire.A:
		return w.leadsTo(s.name, r.A, kind, e)
	case *wire.AAAA:
		return w.leadsTo(s.name, r.AAAA, kind, e)
	case *wire.TXT:
		return w.text(ctx, s, strings.Join(r.Txt, ""), e)
	case *wire.CNAME:
		target, as = r.Target, discovery.AliasTarget
	case *wire.MX:
		target, as = r.Mx, discovery.MailServer
	case *wire.NS:
		target, as = r.Ns, discovery.NameServer
	}
	name, ok := named(target)
	if !ok || name == s.name {
		return nil
	}
	if as == discovery.NameServer && discovery.Closest(observable.Observable{Kind: observable.Domain, Value: name}, w.domains, nil) != "" {
		if err := w.evidence(observable.Observable{Kind: observable.Domain, Value: s.name}, e(discovery.ServedByOwn)); err != nil {
			return err
		}
	}
	return w.name(name, s.depth+1, e(as))
}

// text takes the text of a TXT record: SPF, or what mentions own names.
func (w *walker) text(ctx context.Context, s step, text string, e func(discovery.Kind) discovery.Evidence) error {
	if isSPF(text) {
		return w.spf(ctx, s, text, e)
	}
	words := strings.FieldsFunc(text, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	})
	for _, word := range words[:min(len(words), maxTold)] {
		if name, ok := named(word); ok && name != s.name && w.own(name) {
			if err := w.name(name, s.depth+1, e(discovery.Text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dmarc asks where reports about mail go (RFC 7489, section 6.2).
func (w *walker) dmarc(ctx context.Context, s step) error {
	x, err := w.a.ask(ctx, "_dmarc."+s.name, wire.TypeTXT)
	if err != nil {
		return err
	}
	for _, r := range x.records {
		t, ok := r.(*wire.TXT)
		if !ok {
			continue
		}
		for _, d := range reportDomains(strings.Join(t.Txt, "")) {
			if d == s.name {
				continue
			}
			if err := w.name(d, s.depth+1, w.a.evidence(x, discovery.DMARC, s.name, short(r))); err != nil {
				return err
			}
		}
	}
	return nil
}

const maxReports = 32

// reportDomains are the domains to which a DMARC record has reports sent.
func reportDomains(text string) (out []string) {
	for i, tag := range strings.Split(text, ";") {
		key, value, ok := strings.Cut(tag, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if i == 0 && (key != "v" || strings.TrimSpace(value) != "DMARC1") {
			return nil
		}
		if !ok || key != "rua" && key != "ruf" {
			continue
		}
		for uri := range strings.SplitSeq(value, ",") {
			uri, _, _ = strings.Cut(strings.TrimSpace(uri), "!") // Behind it stands the most that is taken.
			at := strings.LastIndexByte(uri, '@')
			if len(out) >= maxReports || at < 0 || !strings.HasPrefix(strings.ToLower(uri), "mailto:") {
				continue
			}
			if d, ok := named(uri[at+1:]); ok {
				out = append(out, d)
			}
		}
	}
	return out
}
