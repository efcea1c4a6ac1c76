package exposure

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Times of the work. Which advisories are believed is asked of memory, so it may
// be asked often.
const (
	judgeEvery = time.Second
	judgeRetry = time.Minute
	daily      = 24 * time.Hour
)

// Run judges the versions that were seen whenever other advisories are believed,
// and once a day, until ctx ends. One hub at a time runs it.
func (st *Store) Run(ctx context.Context) error {
	day := time.NewTicker(daily)
	defer day.Stop()
	for wait, again := judgeEvery, true; ; {
		err := st.JudgeAnew(ctx, again)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && fault.KindOf(err) != fault.Unavailable: // The advisories are read for some seconds after the start.
			wait = min(2*wait, judgeRetry)
			st.d.Log.Error("the versions that were seen from outside are not judged by the newest advisories; it is tried again", "role", "hub", "err", err)
		default:
			wait, again = judgeEvery, again && err != nil
		}
		tick := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-day.C:
			again = true
		}
		tick.Stop()
	}
}

// JudgeAnew judges the versions that open services said by the advisories that
// are believed now, without a look at anybody's network, and tells surveys of
// those that have something else than before. Nothing is done when the advisories
// are those of the last time, unless it is to be done again.
func (st *Store) JudgeAnew(ctx context.Context, again bool) error {
	const op = "exposure.anew"
	st.judging.Lock()
	defer st.judging.Unlock()
	believed, err := st.d.Advisories.Believed(debian)
	if err != nil || believed == 0 || believed == st.judged && !again {
		return fault.Wrap(op, err)
	}
	list, err := st.otherwise(ctx)
	if err != nil {
		return fault.Wrap(op, err)
	}
	for part := range alike(list) {
		if err := st.tell(ctx, part); err != nil {
			return fault.Wrap(op, err)
		}
	}
	st.judged = believed
	return nil
}

// otherwise finds the open services whose version has something else than when it
// was judged last, with what it has now.
func (st *Store) otherwise(ctx context.Context) (list []openBefore, err error) {
	err = st.d.DB.Read(ctx, func(q ledger.Queryer) error {
		list = nil
		// Of most services no version is known, and their rows are not even read.
		return eachOpen(ctx, q, `s.state = 'open' AND s.body LIKE '%"said":{%'`, nil, func(x openBefore) {
			now := st.products(x.Said, x.Port, x.Last)
			if slices.EqualFunc(x.Product, now, same) {
				return
			}
			x.Product = now
			list = append(list, x)
		})
	})
	return list, err
}

// same tells weaknesses of which the same is said. Of the chance of an attack,
// which changes every day, counts what changes the decision.
func same(a, b action.Weakness) bool {
	s, t := a.Threat, b.Threat
	s.EPSS, t.EPSS = 0, 0
	if s.SSVC == t.SSVC {
		s.Why, s.WhyJA, t.Why, t.WhyJA = "", "", "", "" // It tells the chance.
	}
	return a.Name == b.Name && a.Fix == b.Fix && a.Level == b.Level && s == t
}

// perSurvey is of how many places one survey tells; it tells at most maxWeak
// weaknesses, too.
const perSurvey = 1000

// alike parts services by organisation and port: what covers these addresses at
// this port covers nothing else.
func alike(list []openBefore) func(yield func([]openBefore) bool) {
	key := func(x openBefore) []string { return []string{string(x.org), x.Place} }
	slices.SortStableFunc(list, func(a, b openBefore) int { return slices.Compare(key(a), key(b)) })
	return func(yield func([]openBefore) bool) {
		for len(list) > 0 {
			n, weak := 1, len(list[0].Product)
			for n < min(len(list), perSurvey) && slices.Equal(key(list[0]), key(list[n])) && weak+len(list[n].Product) <= maxWeak {
				weak += len(list[n].Product)
				n++
			}
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// tell hands in what services of one organisation at one port have now, and then
// notes it; what was not noted is told again, which changes nothing. The survey
// began when the services were seen: what was claimed since is not denied by it.
func (st *Store) tell(ctx context.Context, list []openBefore) error {
	if _, there := st.d.Tree().Get(list[0].org); !there {
		return nil // It left.
	}
	now := st.now()
	v := action.Survey{ID: st.d.Ident.New(ident.Survey), Source: action.BySurface, Org: list[0].org, Realm: label.Real, Began: now, Ended: now, By: "hub:exposure",
		Coverage: action.Coverage{Checks: []string{checkProduct}, Ports: []string{list[0].Place}}}
	for _, x := range list {
		if x.Last.Before(v.Began) {
			v.Began = x.Last
		}
		v.Coverage.Ranges = append(v.Coverage.Ranges, netip.PrefixFrom(x.Address, x.Address.BitLen()))
		v.Coverage.Answered = append(v.Coverage.Answered, action.Answer(x.Address, x.Place))
		for _, w := range x.Product {
			w.Asset, w.Place = asset(x.Port), x.Place
			if owner, known := st.attribute(x.org, x.Address); known && owner == x.org {
				w.Org = owner
			}
			v.Weaknesses = append(v.Weaknesses, bounded(w, v.ID))
		}
	}
	if err := st.d.Actions.Take(ctx, st.hub(), v); err != nil {
		return err
	}
	return st.d.DB.Write(ctx, v.By, func(tx *ledger.Tx) error {
		for _, x := range list { // One that another run wrote meanwhile was judged by that.
			if _, err := tx.Exec(ctx, `UPDATE surface_service SET body = ? WHERE asset = ? AND place = ? AND run = ?`, ledger.JSON(kept{x.Port, x.running}), x.Asset, x.Place, x.run); err != nil {
				return err
			}
		}
		return nil
	})
}

// bounded bounds what others wrote of a weakness, and says which look saw it.
func bounded(w action.Weakness, by ident.ID) action.Weakness {
	w.Version = clip(w.Version, 200)
	w.Evidence = slices.Clone(w.Evidence)
	for i := range w.Evidence {
		w.Evidence[i].By, w.Evidence[i].Text = string(by), clip(w.Evidence[i].Text, 1000)
	}
	return w
}
