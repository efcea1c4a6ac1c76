package nvd

import (
	"encoding/json"
	"slices"

	"noroshi/fault"
)

// entry is what is read of one weakness.
type entry struct {
	CVE struct {
		ID           string `json:"id"`
		Status       string `json:"vulnStatus"`
		Descriptions []struct {
			Lang  string `json:"lang"`
			Value string `json:"value"`
		} `json:"descriptions"`
		Metrics struct {
			V40 []metric `json:"cvssMetricV40"`
			V31 []metric `json:"cvssMetricV31"`
			V30 []metric `json:"cvssMetricV30"`
		} `json:"metrics"`
		Configurations []struct {
			Operator string      `json:"operator"`
			Negate   bool        `json:"negate"`
			Nodes    []entryNode `json:"nodes"`
		} `json:"configurations"`
	} `json:"cve"`
}

type metric struct {
	Data struct {
		Vector string `json:"vectorString"`
	} `json:"cvssData"`
}

type entryNode struct {
	Operator string `json:"operator"`
	Negate   bool   `json:"negate"`
	Matches  []struct {
		Vulnerable bool   `json:"vulnerable"`
		Criteria   string `json:"criteria"`
		From       string `json:"versionStartIncluding"`
		Above      string `json:"versionStartExcluding"`
		To         string `json:"versionEndIncluding"`
		Below      string `json:"versionEndExcluding"`
	} `json:"cpeMatch"`
}

// entry takes one weakness. The later of two with one name counts.
func (k *Known) entry(raw []byte, wanted func(string) bool, r *Report) error {
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return fault.As(fault.Invalid, "nvd.entry", err, "%v", err)
	}
	if e.CVE.ID == "" {
		return fault.New(fault.Invalid, "nvd.entry", "it has no cve.id")
	}
	r.Entries++
	r.names = append(r.names, e.CVE.ID)
	k.forget(e.CVE.ID)
	if e.CVE.Status == "Rejected" {
		return nil
	}
	w := weakness{id: e.CVE.ID}
	for _, d := range e.CVE.Descriptions {
		if d.Lang == "en" {
			w.summary = clip(d.Value)
			break
		}
	}
	for _, list := range [][]metric{e.CVE.Metrics.V40, e.CVE.Metrics.V31, e.CVE.Metrics.V30} {
		for _, m := range list {
			if v := m.Data.Vector; v != "" && len(v) < 512 && len(w.vectors) < 8 {
				w.vectors = append(w.vectors, v)
			}
		}
	}
	var keys []string
	nodes := 0
	for _, c := range e.CVE.Configurations {
		out := configuration{and: c.Operator == "AND", negate: c.Negate}
		for _, x := range c.Nodes {
			if nodes++; nodes > maxNodes {
				return fault.New(fault.TooLarge, "nvd.entry", "%s has more than %d nodes", e.CVE.ID, maxNodes)
			}
			n, err := x.node(&keys)
			if err != nil {
				return err
			}
			out.nodes = append(out.nodes, n)
		}
		w.configs = append(w.configs, out)
	}
	if slices.ContainsFunc(keys, wanted) {
		k.keep(w, keys)
		r.Kept++
	}
	return nil
}

func (x *entryNode) node(keys *[]string) (node, error) {
	n := node{and: x.Operator == "AND", negate: x.Negate}
	for _, m := range x.Matches {
		c, ok := ParseCPE(m.Criteria)
		if !ok {
			return n, fault.New(fault.Invalid, "nvd.entry", "%.100q is no CPE", m.Criteria)
		}
		to := match{name: c, vulnerable: m.Vulnerable, from: m.From, to: m.To}
		if m.Above != "" {
			to.from, to.above = m.Above, true
		}
		if m.Below != "" {
			to.to, to.below = m.Below, true
		}
		if m.Vulnerable && !n.negate {
			*keys = append(*keys, c.Key())
		}
		n.matches = append(n.matches, to)
	}
	return n, nil
}

func (k *Known) keep(w weakness, keys []string) {
	if k.at == nil {
		k.at, k.names = map[string][]int32{}, map[string]int32{}
	}
	n := int32(len(k.list))
	k.list = append(k.list, w)
	k.names[w.id] = n
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		k.at[key] = append(k.at[key], n)
	}
}

// forget takes what was known of a weakness away.
func (k *Known) forget(id string) {
	if n, ok := k.names[id]; ok {
		k.list[n] = weakness{}
		delete(k.names, id)
	}
}
