package exposure

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/service"
)

// checks are what a run looked for: products only when it knew them and there
// are advisories, and trust only when the scanner had roots to judge it by.
func (st *Store) checks(r ScanRun, l *look) ([]string, error) {
	list := slices.Clone(checks)
	for _, p := range l.ports {
		if p.TLS != nil && p.TLS.Trust == "" {
			list = slices.DeleteFunc(list, func(c string) bool { return c == checkTrust })
			break
		}
	}
	believed, err := st.d.Advisories.Believed(debian)
	if err == nil && r.Prints && believed > 0 {
		list = append(list, checkProduct)
	}
	return list, err
}

// judgeAll judges what a look saw.
func (st *Store) judgeAll(r ScanRun, l *look, before map[place]Service) {
	for _, at := range sorted(l.ports) {
		p := l.ports[at]
		if l.device[at] {
			continue // Its owner is told in a notice.
		}
		found := st.rules.judge(p, r.Ended)
		was := before[at].running
		now := running{Said: said(p, was.Said, before[at].Port.Product)}
		if slices.Contains(l.coverage.Checks, checkProduct) {
			now.Product = st.products(now.Said, p, r.Ended)
		} else if now.Said == was.Said {
			now.Product = was.Product
		}
		l.running[at] = now
		for _, w := range append(found, now.Product...) {
			w.Org, w.Asset, w.Place = "", asset(p), at.port
			if l.known[at.address] {
				w.Org = l.owner[at.address]
			}
			if !slices.Contains(l.coverage.Checks, w.Check) {
				continue // It stands from before, and was not looked for.
			}
			l.weak = append(l.weak, bounded(w, r.ID))
		}
	}
}

// asset is the host of a port.
func asset(p service.Port) action.Asset {
	a := action.Asset{Kind: "host", Key: p.Address.String(), Exposed: true}
	if p.TLS != nil && len(p.TLS.Names) > 0 {
		a.Name = clip(p.TLS.Names[0], 300)
	}
	return a
}

// clip bounds a text of the other side, in bytes.
func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// judge says what is weak about a port by the rules.
func (rs *Rules) judge(p service.Port, now time.Time) (list []action.Weakness) {
	for _, r := range rs.list {
		shown, hit := r.When.holds(p, now)
		if !hit {
			continue
		}
		list = append(list, action.Weakness{Check: r.Check, Name: r.Name, Title: r.Title, TitleJA: r.TitleJA, Fix: r.Fix, FixJA: r.FixJA, Level: r.Level, Reference: r.Ref,
			Version: cmp.Or(p.Package, p.Version), Evidence: []action.Evidence{{At: now, Text: strings.Join(append([]string{p.Name()}, shown...), "; ")}}})
	}
	return list
}

// holds tells whether all that is said is so, and what shows it.
func (w When) holds(p service.Port, now time.Time) (shown []string, ok bool) {
	if len(w.Services) > 0 && !slices.Contains(w.Services, p.Service) {
		return nil, false
	}
	for _, name := range w.Facts {
		text, is := facts[name](p, now)
		if !is {
			return nil, false
		}
		if text != "" {
			shown = append(shown, text)
		}
	}
	one := func(want, have []string) bool {
		for _, x := range have {
			if slices.Contains(want, x) {
				shown = append(shown, x)
			}
		}
		return slices.ContainsFunc(have, func(x string) bool { return slices.Contains(want, x) })
	}
	match := func(re *regexp.Regexp, have []string) bool {
		i := slices.IndexFunc(have, re.MatchString)
		if i >= 0 {
			shown = append(shown, have[i])
		}
		return i >= 0
	}
	t, s, h := p.TLS, p.SSH, p.HTTP
	switch {
	case len(w.TLS) > 0 && (t == nil || !one(w.TLS, t.Versions)),
		len(w.Trust) > 0 && (t == nil || !one(w.Trust, []string{t.Trust})),
		w.Cipher.Regexp != nil && (t == nil || !match(w.Cipher.Regexp, flat(t.Ciphers))),
		w.Weak.Regexp != nil && (t == nil || !match(w.Weak.Regexp, t.Weak)),
		len(w.Kex) > 0 && (s == nil || !one(w.Kex, s.Kex)),
		len(w.SSH) > 0 && (s == nil || !one(w.SSH, s.Ciphers)),
		w.Title.Regexp != nil && (h == nil || !match(w.Title.Regexp, []string{h.Title})):
		return nil, false
	}
	for _, kind := range slices.Sorted(maps.Keys(w.Evidence)) {
		said := p.Evidence[kind]
		if !w.Evidence[kind].MatchString(said) {
			return nil, false
		}
		shown = append(shown, kind+": "+said)
	}
	if w.Missing != "" {
		if h == nil || h.Headers[w.Missing] != "" {
			return nil, false
		}
		shown = append(shown, "no header "+w.Missing)
	}
	return shown, true
}

// flat is what stands in any of the lists, in one order.
func flat(lists map[string][]string) []string {
	list := slices.Concat(slices.Collect(maps.Values(lists))...)
	slices.Sort(list)
	return list
}
