package systems

import (
	"context"
	"maps"
	"slices"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/affected"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Times of the work. Another hub may have changed something, so the ledger is
// asked for one number every second.
const (
	lookEvery = time.Second
	lookRetry = time.Minute
	daily     = 24 * time.Hour
)

// Run matches until ctx ends: what changed at once, at the start everything that
// a survey has not said yet, and once a day all, so that what people claimed is
// judged and nothing stays missed. One hub at a time runs it.
func (x *Systems) Run(ctx context.Context) error {
	day := time.NewTicker(daily)
	defer day.Stop()
	for look, wait := start, lookEvery; ; {
		err := x.match(ctx, look)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			wait = min(2*wait, lookRetry)
			x.d.Log.Error("systems are not matched; it is tried again", "role", "hub", "err", err)
		default:
			look, wait = changes, lookEvery
		}
		tick := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-x.wake:
		case <-tick.C:
		case <-day.C:
			look = everything
		}
		tick.Stop()
	}
}

// Follow keeps what this hub knows as the ledger has it, which other hubs write
// too, until ctx ends.
func (x *Systems) Follow(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := x.Refresh(ctx); err != nil && ctx.Err() == nil {
			x.d.Log.Error("what other hubs changed of the systems cannot be learned", "role", "hub", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// The looks, from little to all.
type look int

const (
	changes    look = iota // the systems that may be hit otherwise than before
	start                  // of all systems those of which no survey said what they are now
	everything             // all, also those of which nothing changed
)

// match hands in what is hit otherwise than the last survey said.
func (x *Systems) match(ctx context.Context, l look) error {
	if err := x.expire(ctx); err != nil {
		return fault.Wrap("systems.expire", err)
	}
	if err := x.Refresh(ctx); err != nil {
		return err
	}
	if l > changes {
		if err := x.recall(ctx); err != nil {
			return err
		}
	}
	found := x.mem.look(l)
	if len(found) == 0 {
		return nil
	}
	for part := range portions(found) {
		if err := x.hand(ctx, part); err != nil {
			x.mem.again(found)
			return err
		}
	}
	return nil
}

// recall reads what the surveys of other hubs have said.
func (x *Systems) recall(ctx context.Context) error {
	var list []row
	err := x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		list, err = rows(ctx, q, `SELECT id, changed, matched FROM system`)
		return err
	})
	if err != nil {
		return fault.Wrap("systems.recall", err)
	}
	x.mem.mu.Lock()
	defer x.mem.mu.Unlock()
	for _, r := range list {
		if k := x.mem.of[ident.ID(r.id)]; k != nil {
			k.matched = uint64(r.matched)
		}
	}
	return nil
}

// verdict is what is to be said of one system.
type verdict struct {
	system     System
	sum        uint64
	whole      bool // it was looked at whole: what is not among the weaknesses is gone
	weaknesses []action.Weakness
}

// look takes from memory what surveys are to say.
func (m *memory) look(l look) (list []verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := slices.Sorted(maps.Keys(m.touched))
	if l > changes {
		ids = slices.Sorted(maps.Keys(m.of))
	}
	for _, id := range ids {
		k := m.of[id]
		sum := m.sum(k)
		if sum == k.matched && (l != everything || sum == 0) {
			continue
		}
		v := verdict{system: k.System, sum: sum, whole: true}
		var only []affected.Hit
		if l == changes && k.matched != 0 && k.matched+sumOf(m.gained[id]) == sum {
			// It has all that it had, and more: the survey need not speak of the rest.
			v.whole, only = false, m.gained[id]
		}
		if sum != 0 {
			v.weaknesses = weaknesses(k.System, m.attacks, m.placeOf(k.System), m.hits(k), only)
		}
		list = append(list, v)
	}
	clear(m.touched)
	clear(m.gained)
	return list
}

func sumOf(hits []affected.Hit) (sum uint64) {
	for _, h := range hits {
		sum += h.Sum()
	}
	return sum
}

// again has systems looked at once more.
func (m *memory) again(list []verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range list {
		if m.of[v.system.ID] != nil {
			m.touched[v.system.ID] = true
		}
	}
}

// Bounds of one survey, well below what is taken at once.
const (
	perSurvey = 10_000 // weaknesses
	perAssets = 2000
)

// portions parts verdicts into what one survey of one organisation says.
func portions(list []verdict) func(yield func([]verdict) bool) {
	slices.SortStableFunc(list, func(a, b verdict) int {
		if a.system.Org != b.system.Org {
			return slices.Compare([]ident.ID{a.system.Org}, []ident.ID{b.system.Org})
		}
		return 0
	})
	return func(yield func([]verdict) bool) {
		for from := 0; from < len(list); {
			to, n := from, 0
			for to < len(list) && list[to].system.Org == list[from].system.Org && to-from < perAssets {
				if n += len(list[to].weaknesses); n > perSurvey && to > from {
					break
				}
				to++
			}
			if !yield(list[from:to]) {
				return
			}
			from = to
		}
	}
}

// hand hands a survey of one organisation in, and notes what it said.
func (x *Systems) hand(ctx context.Context, list []verdict) error {
	org := list[0].system.Org
	tree := x.d.Tree()
	if _, there := tree.Get(org); !there {
		return nil // It left.
	}
	s := access.Hub(tree, "systems")
	at := x.now()
	var assets []string
	var found []action.Weakness
	for _, v := range list {
		if v.whole {
			assets = append(assets, v.system.Name)
		}
		found = append(found, v.weaknesses...)
	}
	// More than a survey holds is said in several; then none of them covers the
	// whole, and only a later one proves that something is gone.
	if len(found) > perSurvey {
		assets = nil
	}
	for first := true; first || len(found) > 0; first = false {
		part := found[:min(len(found), perSurvey)]
		found = found[len(part):]
		if len(part) == 0 && len(assets) == 0 {
			break
		}
		v := action.Survey{ID: x.d.Ident.New(ident.Survey), Source: action.BySBOM, Org: org, Realm: label.Real, Began: at, Ended: at, By: s.Actor(),
			Coverage: action.Coverage{Checks: []string{check}, Assets: assets}, Weaknesses: part}
		if _, err := x.d.Actions.Take(ctx, s, v); err != nil {
			return fault.Wrap("systems.hand", err)
		}
	}
	return x.note(ctx, s.Actor(), list)
}

// note keeps what surveys said, so that it is not said again.
func (x *Systems) note(ctx context.Context, actor string, list []verdict) error {
	err := x.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		for _, v := range list {
			if _, err := tx.Exec(ctx, `UPDATE system SET matched = ? WHERE id = ?`, int64(v.sum), string(v.system.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fault.Wrap("systems.note", err)
	}
	x.mem.mu.Lock()
	defer x.mem.mu.Unlock()
	for _, v := range list {
		if k := x.mem.of[v.system.ID]; k != nil {
			k.matched = v.sum
		}
	}
	return nil
}
