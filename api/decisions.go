package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"noroshi/access"
	"noroshi/analyse/systems"
	"noroshi/api/operator"
	"noroshi/fault"
	"noroshi/ident"
)

// decisions are about what hits systems (VEX): handed in, withdrawn, and told to
// others.
func (a *API) decisions() {
	register(a, op{"decisions", http.MethodGet, "/decisions", "Documents of decisions (VEX), the newest first", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			Org      ident.ID `query:"org" maxLength:"64"`
			Weakness string   `query:"weakness" maxLength:"200" doc:"single decisions about it, those that ended among them"`
			Cursor   string   `query:"cursor" maxLength:"64"`
			Limit    int      `query:"limit" minimum:"1" maximum:"500" default:"100"`
		}) (*struct{ Body systems.VEXPage }, error) {
			p, err := a.b.Systems.Decided(ctx, s, systems.VEXFilter{Org: in.Org, Weakness: in.Weakness, Cursor: in.Cursor, Limit: in.Limit})
			return &struct{ Body systems.VEXPage }{p}, err
		})
	register(a, op{"decision-add", http.MethodPost, "/decisions", "Hand in a document of decisions (OpenVEX, CycloneDX or CSAF) about the systems of an organisation", access.DecideWeaknesses},
		func(ctx context.Context, s access.Scope, in *struct {
			Org     ident.ID `query:"org" required:"true" maxLength:"64"`
			Name    string   `query:"name" maxLength:"200" doc:"what the file is called"`
			Below   bool     `query:"below" doc:"it holds for the organisations below, too"`
			RawBody []byte   `contentType:"application/octet-stream"`
		}) (*vexBody, error) {
			v, err := a.b.Systems.Decide(ctx, s, in.Org, in.Name, in.Below, in.RawBody)
			return &vexBody{v}, err
		}, large(systems.MaxVEX))
	register(a, op{"decision-choose", http.MethodPost, "/decisions/choose", "Decide about one hit: whether it hits, why, where and for how long that holds", access.DecideWeaknesses},
		func(ctx context.Context, s access.Scope, in *struct{ Body systems.Choice }) (*vexBody, error) {
			v, err := a.b.Systems.Choose(ctx, s, in.Body)
			return &vexBody{v}, err
		})
	register(a, op{"decision", http.MethodGet, "/decisions/{id}", "A document of decisions, as it was handed in", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *IDInput) (*file, error) {
			v, document, err := a.b.Systems.Decisions(ctx, s, in.ID)
			return &file{Type: "application/octet-stream", Disposition: `attachment; filename="` + string(v.ID) + `.json"`, Body: document}, err
		})
	register(a, op{"decision-withdraw", http.MethodPost, "/decisions/{id}/withdraw", "Take a document of decisions back: what it decided hits again", access.DecideWeaknesses},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Version int64  `json:"version" doc:"the version that was looked at"`
				Reason  string `json:"reason" maxLength:"2000"`
			}
		}) (*vexBody, error) {
			v, err := a.b.Systems.Withdraw(ctx, s, in.ID, in.Body.Version, in.Body.Reason)
			return &vexBody{v}, err
		})
	register(a, op{"system-vex", http.MethodGet, "/systems/{id}/vex", "What hits a system and what is decided about it, as OpenVEX, CycloneDX or CSAF", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			FormatInput
		}) (*file, error) {
			document, err := a.b.Systems.WriteVEX(ctx, s, in.ID, in.Format)
			return &file{Type: "application/json", Disposition: `attachment; filename="` + string(in.ID) + "." + in.Format + `.json"`, Body: document}, err
		})
	register(a, op{"systems-vex", http.MethodGet, "/systems/vex", "The same of every system of an organisation that something hits, in a zip file", access.ViewSystems}, a.exportVEX)
}

type vexBody struct{ Body systems.VEX }

// FormatInput is the format of a document of decisions.
type FormatInput struct {
	Format string `query:"format" enum:"openvex,cyclonedx,csaf" default:"openvex"`
}

func (a *API) exportVEX(ctx context.Context, s access.Scope, in *struct {
	FormatInput
	Org ident.ID `query:"org" required:"true" maxLength:"64"`
}) (*huma.StreamResponse, error) {
	// Who may not ask, or too early, hears it before the first byte.
	if err := a.b.Systems.MayExport(s, in.Org); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", "application/zip")
		out.SetHeader("Content-Disposition", `attachment; filename="vex.`+in.Format+`.zip"`)
		out.SetHeader("Trailer", operator.ErrorTrailer)
		// A zip file that breaks off has no directory either, and cannot be taken for a whole one.
		if err := a.b.Systems.ExportVEX(out.Context(), s, in.Org, in.Format, out.BodyWriter()); err != nil {
			out.SetHeader(operator.ErrorTrailer, fault.PublicOf(err))
		}
	}}, nil
}
