package systems

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/analyse/affected"
	"noroshi/analyse/vex"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// decided is what an organisation decided, in memory: for itself, and what of it
// holds below.
type decided struct {
	own, below vex.Decisions
	changed    int64
}

// takeDecisions takes over the decisions of organisations that changed theirs,
// and has their systems looked at, and those below when something holds there.
func (x *Systems) takeDecisions(ctx context.Context, list []row) error {
	m, there := x.mem, map[ident.ID]bool{}
	for _, r := range list {
		org := ident.ID(r.id)
		there[org] = true
		if was := m.decided[org]; was != nil && was.changed == r.changed {
			continue
		}
		now, err := x.inForce(ctx, org)
		if err != nil {
			return err
		}
		now.changed = r.changed
		m.mu.Lock()
		reached := map[ident.ID]bool{org: true}
		if was := m.decided[org]; now.below.Len() > 0 || was != nil && was.below.Len() > 0 {
			for _, o := range m.tree().Subtree(org) {
				reached[o] = true
			}
		}
		m.decided[org] = now
		for id, k := range m.of {
			if reached[k.Org] {
				m.touched[id] = true
			}
		}
		m.mu.Unlock()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for org := range m.decided {
		if !there[org] {
			delete(m.decided, org) // It left.
		}
	}
	return nil
}

// inForce reads what an organisation decided and did not withdraw.
func (x *Systems) inForce(ctx context.Context, org ident.ID) (d *decided, err error) {
	err = x.d.DB.Read(ctx, func(q ledger.Queryer) error {
		d = &decided{}
		rows, err := q.Query(ctx, `SELECT body, document FROM vex_document WHERE org = ? AND state = ? ORDER BY id`, string(org), InForce)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var body string
			var packed []byte
			if err := scan(&body, &packed); err != nil {
				return err
			}
			var v VEX
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				return err
			}
			document, err := unpack(packed, MaxVEX, v.SHA256)
			if err == nil {
				d.own.Record = string(v.ID)
				_, err = d.own.Read(document)
			}
			if err == nil && v.Below {
				d.below.Record = string(v.ID)
				_, err = d.below.Read(document)
			}
			return fault.Wrap("systems.in_force", err)
		})
	})
	return d, fault.Wrap("systems.refresh", err)
}

// product is a system as decisions name it.
func (k *known) product() vex.Product {
	return vex.Product{PURL: k.purl, Name: k.Name, Version: k.InForce.Version}
}

// hits are those of a system, with what was decided about each.
func (m *memory) hits(k *known) []affected.Hit { return m.decide(k, m.inventory.Hits(string(k.ID))) }

func (m *memory) decide(k *known, hits []affected.Hit) []affected.Hit {
	from := m.deciders(k.Org)
	for i := range hits {
		for _, f := range from {
			d, ok := hits[i].Decided(f.said, f.product(k))
			if !ok {
				continue
			}
			d.From = string(f.org)
			if was := hits[i].Decision; was != nil {
				was.Oppose(d)
				continue
			}
			hits[i].Decision = &d
		}
	}
	return hits
}

// decider is who decides for an organisation.
type decider struct {
	org   ident.ID
	said  *vex.Decisions
	above bool
}

// deciders are who decides for an organisation: itself first, then those above it,
// the nearest first, with what they decided for those below.
func (m *memory) deciders(org ident.ID) (list []decider) {
	if len(m.decided) == 0 {
		return nil
	}
	if of := m.decided[org]; of != nil {
		list = append(list, decider{org, &of.own, false})
	}
	for _, above := range m.tree().Ancestors(org) {
		if of := m.decided[above]; of != nil && of.below.Len() > 0 {
			list = append(list, decider{above, &of.below, true})
		}
	}
	return list
}

// product is a system as a decider names it. Whoever is above means products: what
// a system below happens to be called says nothing.
func (f decider) product(k *known) vex.Product {
	p := k.product()
	if f.above {
		p.Name = ""
	}
	return p
}

// decidedSum is a number that is another when other hits of a system are decided
// to be none, or why they are is.
func (m *memory) decidedSum(k *known) (sum uint64) {
	if len(m.deciders(k.Org)) == 0 {
		return 0
	}
	for _, x := range m.hits(k) {
		if x.Silent() {
			h := fnv.New64a()
			_, _ = fmt.Fprintf(h, "%d%s", x.Sum(), ledger.JSON(x.Decision)) // A hash takes everything.
			sum += h.Sum64()
		}
	}
	return sum
}

// justificationJA says the reasons of VEX in Japanese.
var justificationJA = map[string]string{
	"component_not_present": "該当する部品を含まない", "vulnerable_code_not_present": "脆弱なコードを含まない", "vulnerable_code_not_in_execute_path": "脆弱なコードは実行されない",
	"vulnerable_code_cannot_be_controlled_by_adversary": "攻撃者は脆弱なコードを操作できない", "inline_mitigations_already_exist": "対策が組み込まれている",
}

// refutation is a decision as a survey says it.
func refutation(d *vex.Decision) *action.Decision {
	out := &action.Decision{Status: string(d.Status), Justification: d.Justification}
	said, saidJA := "Decided that it does not hit", "影響なしと判断"
	if d.Status == vex.Fixed {
		said, saidJA = "Decided that it is fixed here", "修正済みと判断"
	}
	var by []string
	var where string
	for _, part := range []struct{ word, text string }{{" by ", clip(d.Author, maxText)}, {" in ", clip(d.Document, maxText)}, {", ", day(d.At)}} {
		if part.text != "" {
			where, by = where+part.word+part.text, append(by, part.text)
		}
	}
	why := clip(d.Why, 800)
	reason, reasonJA := strings.Trim(d.Justification+": "+why, ": "), strings.Trim(justificationJA[d.Justification]+": "+why, ": ")
	out.Why, out.WhyJA = said+where+": "+cmp.Or(reason, "no reason is given"), saidJA+"("+strings.Join(by, "、")+"): "+cmp.Or(reasonJA, "理由の記載なし")
	return out
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}
