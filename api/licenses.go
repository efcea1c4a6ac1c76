package api

import (
	"context"
	"net/http"

	"noroshi/access"
	"noroshi/analyse/systems"
	"noroshi/ident"
)

type licenseInput struct {
	Org    ident.ID `query:"org" maxLength:"64"`
	Q      string   `query:"q" maxLength:"200" doc:"in the name of the license, in whatever case"`
	Cursor string   `query:"cursor" maxLength:"20"`
	Limit  int      `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

func (in *licenseInput) filter() systems.LicenseFilter {
	return systems.LicenseFilter{Org: in.Org, Text: in.Q, Cursor: in.Cursor, Limit: in.Limit}
}

func (a *API) licenses() {
	register(a, op{"licenses", http.MethodGet, "/licenses", "Licenses of components in the systems' bills of materials, those of the most systems first", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *licenseInput) (*struct{ Body systems.LicensePage }, error) {
			p, err := a.b.Systems.Licenses(ctx, s, in.filter())
			return &struct{ Body systems.LicensePage }{p}, err
		})
	register(a, op{"license-systems", http.MethodGet, "/licenses/systems", "Systems with components under licenses of some text, with how many", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *licenseInput) (*struct{ Body systems.LicensePlaces }, error) {
			p, err := a.b.Systems.LicensePlaces(ctx, s, in.filter())
			return &struct{ Body systems.LicensePlaces }{p}, err
		})
}
