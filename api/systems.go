package api

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"noroshi/access"
	"noroshi/analyse/systems"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/sheet"
)

func (a *API) systems() {
	a.licenses()
	register(a, op{"systems", http.MethodGet, "/systems", "Systems by their names", access.ViewSystems}, a.listSystems)
	register(a, op{"system", http.MethodGet, "/systems/{id}", "One system with its bills of materials, what hits it, and its history", access.ViewSystems}, a.system)
	register(a, op{"system-add", http.MethodPost, "/systems", "Make a system known", access.ManageSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			Body struct {
				systems.Facts
				Org ident.ID `json:"org" maxLength:"64"`
			}
		}) (*systemBody, error) {
			x, err := a.b.Systems.Add(ctx, s, in.Body.Org, in.Body.Facts)
			return &systemBody{x}, err
		})
	register(a, op{"system-change", http.MethodPut, "/systems/{id}", "Change what is said of a system", access.ManageSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				systems.Facts
				Version int64 `json:"version" doc:"the version that was looked at"`
			}
		}) (*systemBody, error) {
			x, err := a.b.Systems.Change(ctx, s, in.ID, in.Body.Version, in.Body.Facts)
			return &systemBody{x}, err
		})
	register(a, op{"system-retire", http.MethodPost, "/systems/{id}/retire", "Say that a system is not operated any more", access.ManageSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Version int64 `json:"version"`
			}
		}) (*systemBody, error) {
			x, err := a.b.Systems.Retire(ctx, s, in.ID, in.Body.Version)
			return &systemBody{x}, err
		})
	register(a, op{"system-upload", http.MethodPost, "/systems/{id}/bills", "Hand in a bill of materials, which is in force from then on", access.ManageSystems},
		func(ctx context.Context, s access.Scope, in *uploadInput) (*struct{ Body systems.Bill }, error) {
			b, err := a.b.Systems.Upload(ctx, s, in.ID, in.Version, in.SHA256, in.RawBody)
			return &struct{ Body systems.Bill }{b}, err
		}, large(systems.MaxDocument))
	register(a, op{"system-bill", http.MethodGet, "/systems/{id}/bills/{number}", "A bill of materials, as it was handed in or as CycloneDX", access.ViewSystems}, a.bill)
	register(a, op{"system-compare", http.MethodGet, "/systems/{id}/compare", "What became another between two bills of materials", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			From int `query:"from" minimum:"1" required:"true" doc:"the number of a bill"`
			To   int `query:"to" minimum:"1" required:"true"`
		}) (*struct{ Body systems.Comparison }, error) {
			c, err := a.b.Systems.Compare(ctx, s, in.ID, in.From, in.To)
			return &struct{ Body systems.Comparison }{c}, err
		})
}

type systemBody struct{ Body systems.System }

type uploadInput struct {
	IDInput
	Version string `query:"version" maxLength:"200" doc:"which version of the system it is of; as the document says it when left out"`
	SHA256  string `query:"sha256" maxLength:"71" doc:"what the document's SHA-256 must be"`
	RawBody []byte `contentType:"application/octet-stream"`
}

// large lets an operation take so many bytes, for as long as a slow line needs.
func large(most int64) func(*huma.Operation) {
	return func(o *huma.Operation) { o.MaxBodyBytes, o.BodyReadTimeout = most+1, 10*time.Minute }
}

// Systems is one page of systems.
type Systems struct {
	Items []systems.System `json:"items"`
	Next  string           `json:"next,omitempty"`
}

func (a *API) listSystems(ctx context.Context, s access.Scope, in *struct {
	Org        ident.ID `query:"org" maxLength:"64"`
	Importance string   `query:"importance" enum:"low,medium,high"`
	Q          string   `query:"q" maxLength:"200" doc:"in names, owners and addresses"`
	Retired    bool     `query:"retired" doc:"those that are not operated any more"`
	Cursor     string   `query:"cursor" maxLength:"400"`
	Limit      int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
}) (*struct{ Body Systems }, error) {
	p, err := a.b.Systems.List(ctx, s, systems.Filter{Org: in.Org, Importance: in.Importance, Text: in.Q, Retired: in.Retired, Cursor: in.Cursor, Limit: in.Limit})
	return &struct{ Body Systems }{Systems{p.Items, p.Next}}, err
}

// SystemDetail is everything about one system.
type SystemDetail struct {
	System  systems.System  `json:"system"`
	Bills   []systems.Bill  `json:"bills"`
	Found   systems.Found   `json:"found"`
	History []ledger.Change `json:"history"`
	// Licenses are those in the bill in force.
	Licenses []systems.License `json:"licenses"`
}

func (a *API) system(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body SystemDetail }, error) {
	x, err := a.b.Systems.Get(ctx, s, in.ID)
	if err != nil {
		return nil, err
	}
	d := SystemDetail{System: x}
	if d.Bills, err = a.b.Systems.Bills(ctx, s, in.ID); err != nil {
		return nil, err
	}
	if d.Found, err = a.b.Systems.Found(ctx, s, in.ID); err != nil {
		return nil, err
	}
	d.Licenses = a.b.Systems.LicensesOf(s, in.ID)
	d.History, err = a.b.Systems.History(ctx, s, in.ID)
	return &struct{ Body SystemDetail }{d}, err
}

type file struct {
	Type        string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (a *API) bill(ctx context.Context, s access.Scope, in *struct {
	IDInput
	Number int    `path:"number" minimum:"1"`
	Format string `query:"format" enum:"original,cyclonedx" default:"original"`
}) (out *file, err error) {
	out = &file{Type: "application/octet-stream", Disposition: `attachment; filename="bill-` + strconv.Itoa(in.Number) + `"`}
	if in.Format == "cyclonedx" {
		out.Type, out.Disposition = "application/vnd.cyclonedx+json", `attachment; filename="bill-`+strconv.Itoa(in.Number)+`.cdx.json"`
		out.Body, err = a.b.Systems.CycloneDX(ctx, s, in.ID, in.Number)
		return out, err
	}
	_, out.Body, err = a.b.Systems.Document(ctx, s, in.ID, in.Number)
	return out, err
}

func (a *API) whoIsHit() {
	register(a, op{"who-is-hit", http.MethodGet, "/who-is-hit", "Who has a known weakness: organisations, systems, the way to the component, and where its action stands", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			Name   string `query:"name" required:"true" minLength:"1" maxLength:"200" doc:"a CVE, or any other name of the weakness"`
			Cursor string `query:"cursor" maxLength:"20"`
			Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
		}) (*struct{ Body systems.Who }, error) {
			w, err := a.b.Systems.WhoIsHit(ctx, s, in.Name, in.Cursor, in.Limit)
			return &struct{ Body systems.Who }{w}, err
		})
	register(a, op{"who-is-hit-export", http.MethodGet, "/who-is-hit/export.csv", "Who is hit as a table for a spreadsheet (UTF-8 with a byte order mark, RFC 4180)", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			Name string `query:"name" required:"true" minLength:"1" maxLength:"200"`
		}) (*huma.StreamResponse, error) {
			first, err := a.b.Systems.WhoIsHit(ctx, s, in.Name, "", 500)
			if err != nil { // What is asked wrongly is refused before.
				return nil, err
			}
			return &huma.StreamResponse{Body: func(out huma.Context) { a.writeWho(out, s, in.Name, first) }}, nil
		})
}

var whoColumns = []string{"organisation", "system", "version", "owner", "importance", "seen_as", "seen_at", "seen_ports", "weakness", "component", "purl", "fixed", "advisories", "path", "action", "state", "assignee", "due", "decision", "why"}

// writeWho streams the answer page by page.
func (a *API) writeWho(out huma.Context, s access.Scope, name string, w systems.Who) {
	out.SetHeader("Content-Type", "text/csv; charset=utf-8")
	out.SetHeader("Content-Disposition", `attachment; filename="who-is-hit.csv"`)
	c := sheet.New(out.BodyWriter(), whoColumns...)
	tree := a.b.Tree()
	for {
		for _, h := range w.Items {
			o, _ := tree.Get(h.Org)
			line := []string{o.Slug, h.Name, h.Version, h.Owner, h.Importance, strings.Join(h.SeenAs, " "), "", "", h.Weakness, h.Component, h.PURL, h.Fixed, strings.Join(h.By, " "), strings.Join(h.Path, " → "), "", "", "", "", "", ""}
			if x := h.Seen; x != nil {
				copy(line[6:], []string{x.At.UTC().Format(time.RFC3339), strings.Join(x.Ports, "; ")})
			}
			if x := h.Action; x != nil {
				copy(line[14:], []string{string(x.ID), string(x.State), x.Assignee, x.Due.UTC().Format(time.RFC3339)})
			}
			if d := h.Decision; d != nil {
				copy(line[18:], []string{string(d.Status), cmp.Or(d.Why, d.Justification)})
			}
			c.Line(line...)
		}
		err := c.Flush() // A reader that is gone is seen here.
		if w.Next == "" || err != nil {
			return
		}
		if w, err = a.b.Systems.WhoIsHit(out.Context(), s, name, w.Next, 500); err != nil {
			c.Line("incomplete: " + fault.PublicOf(err))
			_ = c.Flush() // Nobody could be told.
			return
		}
	}
}
