// Package gate is the safety gate in front of every block: it knows what must
// never be blocked unseen (public resolvers, shared hosting, update services,
// whole suffixes, the members' own names), and says pass, hold for a person, or
// refuse, each time with the reasons in English and Japanese. It decides
// nothing else and keeps nothing; package intel asks it.
package gate

import (
	"embed"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"path"
	"regexp"
	"strings"

	"github.com/gaissmai/bart"
	"golang.org/x/net/publicsuffix"

	"noroshi/fault"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/observable"
	"noroshi/org"
)

//go:embed lists/*.json
var embedded embed.FS

// Config says what to load beside the embedded lists.
type Config struct {
	Lists   []fs.FS   // folders of warning lists in MISP's format: */list.json
	Popular io.Reader // popular names, "rank,name" or one name a line; may be nil
}

// Gate is the loaded lists.
type Gate struct {
	names    map[string]string // exact name → list
	suffixes map[string]string // the name and everything below it → list
	parts    []part            // a part anywhere in the name → list
	patterns []pattern
	ranges   *bart.Table[string]
	popular  map[string]bool // registered domains
	loaded   int
}

type part struct{ text, list string }

type pattern struct {
	re   *regexp.Regexp
	list string
}

// list is a warning list as MISP writes it.
type list struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"` // string, hostname, substring, regex, cidr
	List     []string `json:"list"`
	Matching []string `json:"matching_attributes"`
}

// New loads the lists.
func New(cfg Config) (*Gate, error) {
	g := &Gate{names: map[string]string{}, suffixes: map[string]string{}, ranges: &bart.Table[string]{}, popular: map[string]bool{}}
	for _, dir := range append([]fs.FS{embedded}, cfg.Lists...) {
		if err := g.load(dir); err != nil {
			return nil, err
		}
	}
	if cfg.Popular != nil {
		if err := g.loadPopular(cfg.Popular); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Len is how many entries the lists have.
func (g *Gate) Len() int { return g.loaded + len(g.popular) }

const maxList = 64 << 20

func (g *Gate) load(dir fs.FS) error {
	return fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".json" {
			return err
		}
		f, err := dir.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		var l list
		if err := json.NewDecoder(io.LimitReader(f, maxList)).Decode(&l); err != nil {
			return fault.As(fault.Invalid, "gate.load", err, "not a warning list: %v", err).At("%s", name)
		}
		g.add(l)
		return nil
	})
}

func (g *Gate) add(l list) {
	for _, v := range l.List {
		v = strings.ToLower(strings.TrimSpace(v))
		if v == "" {
			continue
		}
		g.loaded++
		switch l.Type {
		case "cidr":
			if p, err := netip.ParsePrefix(v); err == nil {
				g.ranges.Insert(p.Masked(), l.Name)
			} else if a, err := netip.ParseAddr(v); err == nil {
				g.ranges.Insert(netip.PrefixFrom(a, a.BitLen()), l.Name)
			}
		case "hostname":
			g.suffixes[strings.Trim(v, ".")] = l.Name
		case "substring":
			g.parts = append(g.parts, part{v, l.Name})
		case "regex":
			// A list that is not for names would hold everything.
			if re, err := regexp.Compile("(?i)" + strings.Trim(v, "/")); err == nil && len(v) < 1024 {
				g.patterns = append(g.patterns, pattern{re, l.Name})
			}
		default: // string
			if a, err := netip.ParseAddr(v); err == nil {
				g.ranges.Insert(netip.PrefixFrom(a, a.BitLen()), l.Name)
			}
			g.names[strings.Trim(v, ".")] = l.Name
		}
	}
}

const maxPopular = 1_000_000

func (g *Gate) loadPopular(r io.Reader) error {
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.LazyQuotes, c.Comment = -1, true, '#'
	for len(g.popular) < maxPopular {
		rec, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.As(fault.Invalid, "gate.popular", err, "the list of popular names cannot be read: %v", err)
		}
		if o, err := observable.Parse(rec[len(rec)-1]); err == nil && o.Kind == observable.Domain {
			g.popular[registered(o.Value)] = true
		}
	}
	return nil
}

func registered(name string) string {
	if d, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return d
	}
	return name
}

// Check says whether an indicator may be put to use, with every reason. The
// verdict is the strictest of the reasons'.
func (g *Gate) Check(o observable.Observable, m label.Marking, act indicator.Action, tree *org.Tree) (indicator.Verdict, []indicator.Reason) {
	c := check{gate: g, verdict: indicator.Pass}
	c.marks(m, act)
	target := o
	if h, ok := o.Host(); ok {
		target = h // A URL is enforced, if at all, at its host.
	}
	switch target.Kind {
	case observable.Domain:
		c.name(target.Value, m.Realm)
		c.ownNames(target.Value, tree)
	case observable.IPv4, observable.IPv6, observable.CIDR:
		if p, err := prefixOf(target); err == nil {
			c.address(p, m.Realm)
			c.ownRanges(p, tree)
		}
	default:
		if m.Realm == label.Exercise {
			c.say("realm", indicator.Refuse, "an exercise may only name things under .test or documentation addresses", "訓練で使えるのは .test 以下の名前と文書用アドレスだけです")
		}
	}
	return c.verdict, c.reasons
}

func prefixOf(o observable.Observable) (netip.Prefix, error) {
	if o.Kind == observable.CIDR {
		return netip.ParsePrefix(o.Value)
	}
	a, err := netip.ParseAddr(o.Value)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

type check struct {
	gate    *Gate
	verdict indicator.Verdict
	reasons []indicator.Reason
}

var severity = map[indicator.Verdict]int{indicator.Pass: 0, indicator.Hold: 1, indicator.Refuse: 2}

func (c *check) say(what string, v indicator.Verdict, en, ja string) {
	c.reasons = append(c.reasons, indicator.Reason{Check: what, Verdict: v, Text: en, TextJA: ja})
	if severity[v] > severity[c.verdict] {
		c.verdict = v
	}
}

func (c *check) marks(m label.Marking, act indicator.Action) {
	if m.TLP == label.TLPUnknown || m.Realm == label.RealmUnknown {
		c.say("tlp", indicator.Refuse, "the marking says nothing about who may see it", "共有範囲の表示(TLP)がありません")
	}
	if act.Enforces() && !m.PAP.MayBlock() {
		c.say("pap", indicator.Refuse, "its PAP does not permit blocking; only PAP:GREEN and PAP:CLEAR do", "PAPにより遮断は許されていません(PAP:GREENまたはPAP:CLEARのみ)")
	}
}
