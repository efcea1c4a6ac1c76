package api

import (
	"context"
	"net/http"

	"noroshi/access"
	"noroshi/analyse/exposure"
	"noroshi/ident"
	"noroshi/ledger"
)

func (a *API) scopes() {
	x := a.b.Exposure
	register(a, op{"scopes", http.MethodGet, "/scopes", "What owners have authorised to be scanned, the newest first", access.ViewSurface},
		func(ctx context.Context, s access.Scope, in *surfaceList) (*rows[exposure.Scope], error) {
			return listed(x.Scopes(ctx, s, in.filter()))
		})
	register(a, op{"scope", http.MethodGet, "/scopes/{id}", "One scope with its text and its history", access.ViewSurface}, a.scopePage)
	register(a, op{"propose-scope", http.MethodPost, "/scopes", "Record what an owner has authorised; another person approves it", access.RecordScopes},
		func(ctx context.Context, s access.Scope, in *struct {
			Body struct {
				Org  ident.ID `json:"org" maxLength:"64" doc:"whose addresses these are"`
				Text string   `json:"text" maxLength:"204800" doc:"the scope as YAML (docs/surface.md)"`
			}
		}) (*struct{ Body exposure.Scope }, error) {
			c, err := x.Propose(ctx, s, in.Body.Org, in.Body.Text)
			return &struct{ Body exposure.Scope }{c}, err
		})
	register(a, op{"approve-scope", http.MethodPost, "/scopes/{id}/approve", "Put a scope in force that another person recorded", access.ApproveScopes},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Version int64 `json:"version"`
			}
		}) (*struct{ Body exposure.Scope }, error) {
			c, err := x.Approve(ctx, s, in.ID, in.Body.Version)
			return &struct{ Body exposure.Scope }{c}, err
		})
	register(a, op{"withdraw-scope", http.MethodPost, "/scopes/{id}/withdraw", "End a scope; a scan that is under way stops within a second", access.RecordScopes},
		func(ctx context.Context, s access.Scope, in *turnInput) (*struct{ Body exposure.Scope }, error) {
			c, err := x.Withdraw(ctx, s, in.ID, in.Body.Version, in.Body.Reason)
			return &struct{ Body exposure.Scope }{c}, err
		})
	register(a, op{"opt-outs", http.MethodGet, "/opt-outs", "Who asked not to be scanned, the newest first", access.ViewSurface},
		func(ctx context.Context, s access.Scope, in *surfaceList) (*rows[exposure.OptOut], error) {
			return listed(x.OptOuts(ctx, s, in.filter()))
		})
	for verb, grant := range map[string]bool{"grant": true, "refuse": false} {
		register(a, op{verb + "-opt-out", http.MethodPost, "/opt-outs/{id}/" + verb, map[bool]string{true: "Exclude the addresses from every scope, at once", false: "Refuse the request, with a reason"}[grant], access.RecordScopes},
			func(ctx context.Context, s access.Scope, in *turnInput) (*struct{ Body exposure.OptOut }, error) {
				o, err := x.Answer(ctx, s, in.ID, in.Body.Version, grant, in.Body.Reason)
				return &struct{ Body exposure.OptOut }{o}, err
			})
	}
}

// ScopePage is everything about one scope.
type ScopePage struct {
	Scope   exposure.Scope  `json:"scope"`
	History []ledger.Change `json:"history"`
}

func (a *API) scopePage(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body ScopePage }, error) {
	c, err := a.b.Exposure.Scope(ctx, s, in.ID)
	if err != nil {
		return nil, err
	}
	h, err := a.b.Exposure.History(ctx, c)
	if h == nil {
		h = []ledger.Change{}
	}
	return &struct{ Body ScopePage }{ScopePage{c, h}}, err
}
