package exposure

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"noroshi/action"
)

// checks are what a run looked for: products only when it knew them and there
// are advisories.
func (st *Store) checks(r ScanRun) []string {
	if r.Prints && st.d.Advisories != nil {
		return append(slices.Clone(checks), checkProduct)
	}
	return checks
}

// judgeAll judges what a look saw.
func (st *Store) judgeAll(r ScanRun, l *look, before map[place]Service) {
	for _, at := range sorted(l.ports) {
		p := l.ports[at]
		if l.device[at] {
			continue // Its owner is told in a notice.
		}
		asset := action.Asset{Kind: "host", Key: at.address.String(), Exposed: true}
		if p.TLS != nil && len(p.TLS.Names) > 0 {
			asset.Name = clip(p.TLS.Names[0], 300)
		}
		found := st.rules.judge(p, r.Ended)
		l.product[at] = st.products(r, p, before[at])
		for _, w := range append(found, l.product[at]...) {
			w.Org, w.Asset, w.Place = "", asset, at.port
			if l.known[at.address] {
				w.Org = l.owner[at.address]
			}
			if !slices.Contains(l.coverage.Checks, w.Check) {
				continue // It stands from before, and was not looked for.
			}
			w.Version = clip(w.Version, 200)
			for i := range w.Evidence {
				w.Evidence[i].By, w.Evidence[i].Text = string(r.ID), clip(w.Evidence[i].Text, 1000)
			}
			l.weak = append(l.weak, w)
		}
	}
}

// clip bounds a text of the other side, in bytes.
func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// judge says what is weak about a port by the rules.
func (rs *Rules) judge(p Port, now time.Time) (list []action.Weakness) {
	for _, r := range rs.list {
		shown, hit := r.When.holds(p, now)
		if !hit {
			continue
		}
		list = append(list, action.Weakness{Check: r.Check, Name: r.Name, Title: r.Title, TitleJA: r.TitleJA, Fix: r.Fix, FixJA: r.FixJA, Level: r.Level, Reference: r.Ref,
			Version: cmp.Or(p.Package, p.Version), Evidence: []action.Evidence{{At: now, Text: strings.Join(append([]string{p.label()}, shown...), "; ")}}})
	}
	return list
}

// holds tells whether all that is said is so, and what shows it.
func (w When) holds(p Port, now time.Time) (shown []string, ok bool) {
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
		w.Cipher.Regexp != nil && (t == nil || !match(w.Cipher.Regexp, flat(t.Ciphers))),
		w.Weak.Regexp != nil && (t == nil || !match(w.Weak.Regexp, t.Weak)),
		len(w.Kex) > 0 && (s == nil || !one(w.Kex, s.Kex)),
		len(w.SSH) > 0 && (s == nil || !one(w.SSH, s.Ciphers)),
		w.Title.Regexp != nil && (h == nil || !match(w.Title.Regexp, []string{h.Title})):
		return nil, false
	}
	if w.Missing != "" {
		if h == nil || h.Headers[w.Missing] != "" {
			return nil, false
		}
		shown = append(shown, "no header "+w.Missing)
	}
	return shown, true
}

// suffix is the release of Debian that a package's version was made for.
var suffix = regexp.MustCompile(`[+~]deb(\d+)u\d+`)

// products says which known weaknesses a version has. Only the version of a
// distribution's package with its suffix is judged: the suffix tells what was
// mended without a new version, and a version alone proves nothing. A server that
// does not say its version any more is not mended by that: what its last known
// version had stands.
func (st *Store) products(r ScanRun, p Port, before Service) (list []action.Weakness) {
	known, ok := st.rules.products[p.Product]
	release := suffix.FindStringSubmatch(p.Package)
	if !r.Prints || st.d.Advisories == nil || !ok || release == nil {
		if p.Package == "" && (p.Product == "" || p.Product == before.Port.Product) {
			return before.Product
		}
		return nil
	}
	version := p.Package
	if known.Epoch != "" {
		version = known.Epoch + ":" + version
	}
	purl := "pkg:deb/debian/" + known.Package + "@" + strings.NewReplacer("+", "%2B", ":", "%3A").Replace(version) + "?distro=debian-" + release[1]
	for _, k := range st.d.Advisories.Hits(purl) {
		w := action.Weakness{Check: checkProduct, Name: k.Name, Title: clip(k.Name+" in "+p.Product+" "+p.Package, 300), TitleJA: clip(p.Product+" "+p.Package+" の脆弱性 "+k.Name, 600),
			Version: p.Package, Level: action.Medium, Reference: k.Reference, Evidence: []action.Evidence{{At: r.Ended, Text: strings.TrimSpace(p.label() + "; " + k.Summary)}},
			Fix: "No package of Debian mends it yet; reduce who can reach the service.", FixJA: "修正済みの Debian パッケージはまだありません。接続元を制限してください。"}
		if k.Fixed != "" {
			w.Fix, w.FixJA = "Install "+known.Package+" "+k.Fixed+" or later.", known.Package+" "+k.Fixed+" 以降に更新してください。"
		}
		list = append(list, w)
	}
	return list
}

// flat is what stands in any of the lists, in one order.
func flat(lists map[string][]string) []string {
	list := slices.Concat(slices.Collect(maps.Values(lists))...)
	slices.Sort(list)
	return list
}
