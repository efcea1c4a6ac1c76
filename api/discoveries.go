package api

import (
	"context"
	"net/http"

	"noroshi/access"
	"noroshi/analyse/attribute"
	"noroshi/ident"
	"noroshi/ledger"
)

func (a *API) discoveries() {
	register(a, op{"discoveries", http.MethodGet, "/discoveries", "What walks found, the newest first", access.ViewSurface}, a.listDiscoveries)
	register(a, op{"discovery-runs", http.MethodGet, "/discoveries/runs", "When each organisation was walked, and what came of it", access.ViewSurface},
		func(ctx context.Context, s access.Scope, _ *struct{}) (*struct{ Body Items[attribute.Walked] }, error) {
			list, err := a.b.Discoveries.Runs(ctx, s)
			return items(list), err
		})
	register(a, op{"discovery", http.MethodGet, "/discoveries/{id}", "One discovery with its evidence and its history", access.ViewSurface}, a.discovery)
	register(a, op{"discover", http.MethodPost, "/discoveries/runs", "Have an organisation walked now", access.JudgeDiscoveries},
		func(ctx context.Context, s access.Scope, in *discoverInput) (*struct{ Body attribute.Walked }, error) {
			r, err := a.b.Discoveries.Ask(ctx, s, in.Body.Org)
			return &struct{ Body attribute.Walked }{r}, err
		})
	for verb, state := range map[string]attribute.State{"confirm": attribute.Confirmed, "reject": attribute.Rejected} {
		register(a, op{verb + "-discovery", http.MethodPost, "/discoveries/{id}/" + verb, "Say that an asset is, or is not, the organisation's", access.JudgeDiscoveries},
			func(ctx context.Context, s access.Scope, in *judgeInput) (*struct{ Body attribute.Discovery }, error) {
				d, err := a.b.Discoveries.Judge(ctx, s, in.ID, in.Body.Version, state, in.Body.Reason)
				return &struct{ Body attribute.Discovery }{d}, err
			})
	}
}

type discoveriesInput struct {
	State      string   `query:"state" maxLength:"100" doc:"one or more of candidate, certain, confirmed, rejected, separated by commas"`
	Org        ident.ID `query:"org" maxLength:"64"`
	Confidence int      `query:"confidence" minimum:"0" maximum:"100" doc:"at least"`
	New        bool     `query:"new" doc:"first seen within a week, whole days (UTC)"`
	Own        bool     `query:"own" doc:"without names of third parties"`
	Q          string   `query:"q" maxLength:"200" doc:"in the name or address"`
	Cursor     string   `query:"cursor" maxLength:"100"`
	Limit      int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

func (a *API) listDiscoveries(ctx context.Context, s access.Scope, in *discoveriesInput) (*struct {
	Body Page[attribute.Discovery, string]
}, error) {
	f := attribute.Filter{States: split[attribute.State](in.State), Org: in.Org, Confidence: in.Confidence, Own: in.Own, Text: in.Q, Cursor: in.Cursor, Limit: in.Limit}
	if in.New {
		f.Since = attribute.NewSince(a.b.Now())
	}
	p, err := a.b.Discoveries.List(ctx, s, f)
	if err != nil {
		return nil, err
	}
	if p.Items == nil {
		p.Items = []attribute.Discovery{}
	}
	counts, err := a.b.Discoveries.Counts(ctx, s)
	return &struct {
		Body Page[attribute.Discovery, string]
	}{Page[attribute.Discovery, string]{p.Items, p.Next, counts}}, err
}

// DiscoveryDetail is everything about one discovery.
type DiscoveryDetail struct {
	Discovery attribute.Discovery `json:"discovery"`
	History   []ledger.Change     `json:"history"`
}

func (a *API) discovery(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body DiscoveryDetail }, error) {
	d := DiscoveryDetail{History: []ledger.Change{}}
	var err error
	if d.Discovery, err = a.b.Discoveries.Get(ctx, s, in.ID); err != nil {
		return nil, err
	}
	list, err := a.b.Discoveries.History(ctx, s, in.ID)
	d.History = append(d.History, list...)
	return &struct{ Body DiscoveryDetail }{d}, err
}

type discoverInput struct {
	Body struct {
		Org ident.ID `json:"org" maxLength:"64"`
	}
}

type judgeInput struct {
	IDInput
	Body struct {
		Reason  string `json:"reason" maxLength:"1000"`
		Version int64  `json:"version"`
	}
}
