package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/observable"
	"noroshi/share/push"
)

func (a *API) indicators() {
	register(a, op{"indicators", http.MethodGet, "/indicators", "Indicators, the newest first", access.ViewIndicators}, a.listIndicators)
	register(a, op{"indicator", http.MethodGet, "/indicators/{id}", "One indicator with its way to the edges, its sightings and its history", access.ViewIndicators}, a.indicator)
	register(a, op{"decide", http.MethodPost, "/indicators", "Make an indicator by hand", access.DecideIndicators}, a.decide)
	for verb, t := range map[string]struct {
		action access.Action
		do     func(context.Context, access.Scope, ident.ID, int64, string) (indicator.Indicator, error)
	}{
		"revoke":  {access.RevokeIndicators, a.b.Intel.Revoke},
		"release": {access.DecideIndicators, a.b.Intel.Release},
		"refuse":  {access.DecideIndicators, a.b.Intel.RefuseHeld},
	} {
		register(a, op{verb, http.MethodPost, "/indicators/{id}/" + verb, strings.ToUpper(verb[:1]) + verb[1:] + " an indicator", t.action},
			func(ctx context.Context, s access.Scope, in *turnInput) (*struct{ Body indicator.Indicator }, error) {
				ind, err := t.do(ctx, s, in.ID, in.Body.Version, in.Body.Reason)
				if err != nil {
					return nil, err
				}
				err = a.show(ctx, s, &ind)
				return &struct{ Body indicator.Indicator }{ind}, err
			})
	}
}

// show makes of indicators what the reader may know of them: how often they were
// seen where the reader may look, and, of one that another organisation shares,
// neither from which finding it came, nor who decided, nor with whom else it is
// shared.
func (a *API) show(ctx context.Context, s access.Scope, list ...*indicator.Indicator) error {
	ids := make([]ident.ID, len(list))
	for i, ind := range list {
		ids[i] = ind.ID
	}
	n, err := a.b.Findings.Seen(ctx, s, ids)
	for _, ind := range list {
		ind.Sightings = n[ind.ID]
		if s.Allows(ind.Org) {
			continue
		}
		ind.Finding = ""
		ind.SharedWith = slices.DeleteFunc(ind.SharedWith, func(o ident.ID) bool { return !s.Allows(o) })
		if ind.Policy == "" {
			ind.By = ""
		}
	}
	return err
}

// pointers to the elements of a list.
func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

func (a *API) listIndicators(ctx context.Context, s access.Scope, in *ListInput) (*struct {
	Body Page[indicator.Indicator, indicator.State]
}, error) {
	p, err := a.b.Intel.List(ctx, s, intel.Filter{States: split[indicator.State](in.State), Realm: in.realm(), Text: in.Q, Cursor: in.Cursor, Limit: in.Limit})
	if err == nil {
		err = a.show(ctx, s, pointers(p.Items)...)
	}
	if err != nil {
		return nil, err
	}
	counts, err := a.b.Intel.Counts(ctx, s, in.realm())
	if p.Items == nil {
		p.Items = []indicator.Indicator{}
	}
	return &struct {
		Body Page[indicator.Indicator, indicator.State]
	}{Page[indicator.Indicator, indicator.State]{p.Items, p.Next, counts}}, err
}

// IndicatorDetail is everything about one indicator.
type IndicatorDetail struct {
	Indicator  indicator.Indicator `json:"indicator"`
	Deliveries []push.Delivery     `json:"deliveries"`
	Sightings  []finding.Finding   `json:"sightings"`
	History    []ledger.Change     `json:"history"`
}

func (a *API) indicator(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body IndicatorDetail }, error) {
	ind, err := a.b.Intel.Get(ctx, s, in.ID)
	if err != nil {
		return nil, err
	}
	way, deliveries, err := a.b.Push.Deliveries(ctx, s, ind.ID)
	if err != nil {
		return nil, err
	}
	ind.Clock = way.Clock(ind.Clock)
	if err := a.show(ctx, s, &ind); err != nil {
		return nil, err
	}
	seen, err := a.b.Findings.List(ctx, s, analyse.Filter{Indicator: ind.ID, Limit: 100})
	if err != nil {
		return nil, err
	}
	d := IndicatorDetail{Indicator: ind, Deliveries: deliveries, Sightings: seen.Items}
	// What was done and by whom is the owner's side's to know.
	if s.Allows(ind.Org) {
		if d.History, err = a.b.Intel.History(ctx, s, ind.ID); err != nil {
			return nil, err
		}
	}
	if d.Deliveries == nil {
		d.Deliveries = []push.Delivery{}
	}
	if d.Sightings == nil {
		d.Sightings = []finding.Finding{}
	}
	if d.History == nil {
		d.History = []ledger.Change{}
	}
	return &struct{ Body IndicatorDetail }{d}, nil
}

type decideInput struct {
	Body struct {
		Decision
		Observable string   `json:"observable" maxLength:"2048" doc:"as written, defanged or not"`
		Org        ident.ID `json:"org,omitempty" doc:"the owner; the highest organisation of the reader when left out"`
	}
}

func (a *API) decide(ctx context.Context, s access.Scope, in *decideInput) (*struct{ Body indicator.Indicator }, error) {
	o, err := observable.Parse(in.Body.Observable)
	if err != nil {
		return nil, err
	}
	realm := label.Real
	if strings.HasSuffix(o.Value, ".test") {
		realm = label.Exercise
	}
	p := in.Body.proposal(realm)
	p.Observable, p.Org = o, in.Body.Org
	if p.Org == "" {
		p.Org = s.Orgs()[0]
	}
	ind, err := a.b.Intel.Decide(ctx, s, p)
	return &struct{ Body indicator.Indicator }{ind}, err
}

type turnInput struct {
	IDInput
	Body struct {
		Reason  string `json:"reason" maxLength:"500"`
		Version int64  `json:"version"`
	}
}
