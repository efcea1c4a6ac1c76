package remediation

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Figures say how weaknesses are mended, at one organisation, in one sector, or in
// all that the reader may see. A share or a time that nothing can be said of is
// null. docs/actions.md has the formulas.
type Figures struct {
	Org        ident.ID               `json:"org,omitempty"`
	Sector     string                 `json:"sector,omitempty"`
	Live       int64                  `json:"live"`
	States     map[action.State]int64 `json:"states"`
	Levels     map[action.Level]int64 `json:"levels"` // of the live
	Ages       []Age                  `json:"ages"`   // of the live
	Overdue    int64                  `json:"overdue"`
	Found      int64                  `json:"found"`          // first seen in the window
	Proved     int64                  `json:"proved"`         // in the window
	HalfLife   *float64               `json:"half_life_days"` // until half of the found were proved
	MedianDays *float64               `json:"median_fix_days"`
	InTime     *float64               `json:"in_time"`     // of those that were due in the window
	OwnerKnown *float64               `json:"owner_known"` // of the found
	Reopened   *float64               `json:"reopened"`    // of the found that were mended once
}

// Age is how many live actions are at most so old.
type Age struct {
	Days  int   `json:"days"` // 0 for all older ones
	Count int64 `json:"count"`
}

var ages = []int{7, 14, 30, 60, 90, 180, 0}

// Report is the figures of all, by sector and by organisation.
type Report struct {
	AsOf          time.Time `json:"as_of"`
	Days          int       `json:"days"`
	All           Figures   `json:"all"`
	Sectors       []Figures `json:"sectors"`
	Organisations []Figures `json:"organisations"`
}

// MaxDays bounds the window of figures.
const MaxDays = 1100

// Figures reckons anew from the ledger, over what was found, proved or due in the
// last days.
func (r *Remediation) Figures(ctx context.Context, s access.Scope, o ident.ID, realm label.Realm, days int) (Report, error) {
	const op = "remediation.figures"
	if days < 1 || days > MaxDays {
		return Report{}, fault.New(fault.Invalid, op, "the window is a number of days from 1 to %d", MaxDays)
	}
	orgs, args := ledger.In(s.Within(o))
	now := r.now()
	t := tally{now: now, since: now.Add(-time.Duration(days) * day), of: map[ident.ID]*sums{}}
	err := r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		clear(t.of)
		rows, err := q.Query(ctx, `SELECT org, tab, facet, first_seen, opened, ended, due, reopened FROM action WHERE org IN `+orgs, args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error { return t.add(sc, realm) })
	})
	if err != nil {
		return Report{}, fault.Wrap(op, err)
	}
	return t.report(r, days), nil
}

// sums are what the figures of a group are made of.
type sums struct {
	Figures
	lives         []lifetime // of the found
	fixed         []int64    // how long it took, of those proved in the window
	due, inTime   int64
	owned, mended int64
	returned      int64
}

// lifetime is how long a weakness was seen to be there, and whether it ended.
type lifetime struct {
	micros int64
	ended  bool
}

type tally struct {
	now, since time.Time
	of         map[ident.ID]*sums
}

func newSums() *sums {
	f := &sums{Figures: Figures{States: map[action.State]int64{}, Levels: map[action.Level]int64{}}}
	for _, st := range action.States {
		f.States[st] = 0
	}
	for _, l := range action.Levels {
		f.Levels[l] = 0
	}
	for _, d := range ages {
		f.Ages = append(f.Ages, Age{Days: d})
	}
	return f
}

// add counts one action.
func (t *tally) add(scan func(...any) error, realm label.Realm) error {
	var o ident.ID
	var name string
	var facet, reopened int
	var first, opened, ended, due int64
	if err := scan(&o, &name, &facet, &first, &opened, &ended, &due, &reopened); err != nil {
		return err
	}
	name, exercise := strings.CutPrefix(name, "x-")
	if realm != label.RealmUnknown && exercise != (realm == label.Exercise) {
		return nil
	}
	f := t.of[o]
	if f == nil {
		f = newSums()
		f.Org, t.of[o] = o, f
	}
	state, now, since := action.State(name), t.now.UnixMicro(), t.since.UnixMicro()
	f.States[state]++
	if state.Live() {
		f.live(now, opened, due, facet)
	}
	if state == action.Refuted {
		return nil // It was never there.
	}
	if first >= since {
		f.Found++
		f.owned += int64(facet & 1)
		f.lives = append(f.lives, lifetime{cmp.Or(ended, now) - first, ended > 0})
		if state == action.Proved || reopened > 0 {
			f.mended++
			f.returned += int64(min(reopened, 1))
		}
	}
	if state == action.Proved && ended >= since {
		f.Proved++
		f.fixed = append(f.fixed, ended-opened)
	}
	// What is accepted needs not be mended by its date.
	if due >= since && due <= now && state != action.Excepted {
		f.due++
		f.inTime += int64(ledger.Bit(state == action.Proved && ended <= due))
	}
	return nil
}

func (f *sums) live(now, opened, due int64, facet int) {
	f.Live++
	f.Levels[action.Levels[facet/4%len(action.Levels)]]++
	if due < now {
		f.Overdue++
	}
	i := slices.IndexFunc(ages, func(d int) bool { return d == 0 || now-opened <= int64(d)*day.Microseconds() })
	f.Ages[i].Count++
}

func (f *sums) merge(x *sums) {
	f.Live, f.Overdue, f.Found, f.Proved = f.Live+x.Live, f.Overdue+x.Overdue, f.Found+x.Found, f.Proved+x.Proved
	f.due, f.inTime, f.owned, f.mended, f.returned = f.due+x.due, f.inTime+x.inTime, f.owned+x.owned, f.mended+x.mended, f.returned+x.returned
	for k, n := range x.States {
		f.States[k] += n
	}
	for k, n := range x.Levels {
		f.Levels[k] += n
	}
	for i := range x.Ages {
		f.Ages[i].Count += x.Ages[i].Count
	}
	f.lives, f.fixed = append(f.lives, x.lives...), append(f.fixed, x.fixed...)
}

// finish reckons the shares and times.
func (f *sums) finish() Figures {
	share := func(n, of int64) *float64 {
		if of == 0 {
			return nil
		}
		x := float64(n) / float64(of)
		return &x
	}
	f.HalfLife, f.MedianDays = halfLife(f.lives), median(f.fixed)
	f.InTime, f.OwnerKnown, f.Reopened = share(f.inTime, f.due), share(f.owned, f.Found), share(f.returned, f.mended)
	return f.Figures
}

func (t *tally) report(r *Remediation, days int) Report {
	rep := Report{AsOf: t.now, Days: days, Sectors: []Figures{}, Organisations: []Figures{}}
	all, sectors := newSums(), map[string]*sums{}
	for o, f := range t.of {
		sector := cmp.Or(r.sector(o), "other")
		if sectors[sector] == nil {
			sectors[sector] = newSums()
			sectors[sector].Sector = sector
		}
		all.merge(f)
		sectors[sector].merge(f)
		rep.Organisations = append(rep.Organisations, f.finish())
	}
	for _, f := range sectors {
		rep.Sectors = append(rep.Sectors, f.finish())
	}
	rep.All = all.finish()
	slices.SortFunc(rep.Sectors, func(a, b Figures) int { return strings.Compare(a.Sector, b.Sector) })
	slices.SortFunc(rep.Organisations, func(a, b Figures) int { return strings.Compare(string(a.Org), string(b.Org)) })
	return rep
}

// halfLife is the time after which, by the estimate of Kaplan and Meier, half of
// the weaknesses are gone: what is still there counts for as long as it was seen
// to be there. It is nil when more than half outlive the window.
func halfLife(lives []lifetime) *float64 {
	slices.SortFunc(lives, func(a, b lifetime) int { return cmp.Compare(a.micros, b.micros) })
	stay := 1.0
	for i := 0; i < len(lives); {
		at, there, gone := lives[i].micros, len(lives)-i, 0
		for ; i < len(lives) && lives[i].micros == at; i++ {
			gone += ledger.Bit(lives[i].ended)
		}
		if stay *= 1 - float64(gone)/float64(there); stay <= 0.5 && gone > 0 {
			return inDays(at)
		}
	}
	return nil
}

func median(list []int64) *float64 {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return inDays((list[(len(list)-1)/2] + list[len(list)/2]) / 2)
}

func inDays(micros int64) *float64 {
	x := float64(micros) / float64(day.Microseconds())
	return &x
}
