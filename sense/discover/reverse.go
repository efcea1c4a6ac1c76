package discover

import (
	"context"
	"net/netip"
	"slices"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
	"noroshi/observable"
)

// leadsTo notes an address of an own name.
func (w *walker) leadsTo(name string, ip []byte, kind discovery.Kind, e func(discovery.Kind) discovery.Evidence) error {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return nil
	}
	a = a.Unmap()
	if kind == discovery.AddressOf {
		if w.leads[name] == nil {
			w.leads[name] = map[netip.Addr]bool{}
		}
		w.leads[name][a] = true
	}
	return w.addr(a, e(kind))
}

// reverse walks the reverse names of the declared prefixes.
func (w *walker) reverse(ctx context.Context) error {
	for _, p := range w.s.Prefixes {
		if err := w.below(ctx, p.Masked()); err != nil {
			return err
		}
	}
	return nil
}

// below walks the reverse tree under a prefix. Where a name of the tree is not
// there, nothing is below it (RFC 8020), so empty parts cost one question, and
// even the addresses of IPv6 can be found.
func (w *walker) below(ctx context.Context, p netip.Prefix) error {
	bits, label := p.Bits(), 8
	if p.Addr().Is6() {
		label = 4
	}
	if p.IsSingleIP() {
		return w.reverseOf(ctx, p.Addr())
	}
	if bits%label == 0 && bits > 0 {
		x, err := w.a.ask(ctx, arpa(p), wire.TypePTR)
		switch {
		case err != nil:
			return err
		case x.absent:
			return nil
		case !x.ok:
			w.note("%s: its reverse zone does not answer", p)
			return nil
		case len(x.records) > 0 && !aliased(x):
			w.note("%s: any reverse name is answered there (wildcard), so none is believed", p)
			return nil
		}
	}
	next := bits - bits%label + label
	for i := range 1 << (next - bits) {
		if err := w.below(ctx, child(p, next, i)); err != nil {
			return err
		}
	}
	return nil
}

// child is the i-th prefix of so many bits below p.
func child(p netip.Prefix, bits, i int) netip.Prefix {
	b := p.Addr().AsSlice()
	at := (bits - 1) / 8
	b[at] |= byte(i << (7 - (bits-1)%8))
	a, _ := netip.AddrFromSlice(b) // As long as it was.
	return netip.PrefixFrom(a, bits)
}

// arpa is the reverse name of a prefix that ends between two labels.
func arpa(p netip.Prefix) string {
	full, err := wire.ReverseAddr(p.Addr().String())
	if err != nil {
		return "" // An address always has one.
	}
	label := 8
	if p.Addr().Is6() {
		label = 4
	}
	labels := wire.SplitDomainName(full)
	out := ""
	for i, l := range labels[(p.Addr().BitLen()-p.Bits())/label:] {
		if i > 0 {
			out += "."
		}
		out += l
	}
	return out
}

// reverseFound asks for the reverse names of the addresses that were found
// elsewhere.
func (w *walker) reverseFound(ctx context.Context) error {
	for _, c := range w.sorted() {
		if a, err := netip.ParseAddr(c.Asset.Value); err == nil {
			if err := w.reverseOf(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

const maxClaims = 8 // reverse names of one address that are looked at

// reverseOf asks for the reverse name of one address. What it claims is believed
// when the name leads back.
func (w *walker) reverseOf(ctx context.Context, a netip.Addr) error {
	x, err := w.a.ask(ctx, arpa(netip.PrefixFrom(a, a.BitLen())), wire.TypePTR)
	if err != nil {
		return err
	}
	n := 0
	for _, r := range x.records {
		ptr, ok := r.(*wire.PTR)
		if !ok {
			continue
		}
		if n++; n > maxClaims {
			w.note("%s has more than %d reverse names", a, maxClaims)
			break
		}
		if err := w.claimed(a, ptr, x); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) claimed(a netip.Addr, ptr *wire.PTR, x *answer) error {
	name, ok := named(ptr.Ptr)
	if !ok {
		return nil
	}
	declared := w.declared(ofAddr(a))
	if w.own(name) {
		if !slices.ContainsFunc(w.claims[a], func(c claim) bool { return c.name == name }) {
			w.claims[a] = append(w.claims[a], claim{name, w.a.evidence(x, discovery.PTR, name, short(ptr))})
		}
		w.follow(name, 1)
	} else if err := w.addr(a, w.a.evidence(x, discovery.PTRForeign, name, short(ptr))); err != nil {
		return err
	}
	if !declared {
		return nil
	}
	return w.evidence(observable.Observable{Kind: observable.Domain, Value: name}, w.a.evidence(x, discovery.PTRTarget, a.String(), short(ptr)))
}
