package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"noroshi/access"
	"noroshi/action"
	"noroshi/sheet"
)

type exportInput struct {
	State string `query:"state" maxLength:"100" doc:"one or more, separated by commas"`
	Realm string `query:"realm" enum:"real,exercise"`
	Q     string `query:"q" maxLength:"300"`
	ActionChoice
}

var exported = []string{"id", "organisation", "owner_known", "source", "state", "level", "kev", "asset_kind", "asset", "asset_name", "exposed", "place", "check", "name",
	"title", "title_ja", "version", "fix", "fix_ja", "due", "due_why", "due_why_ja", "assignee", "first_seen", "last_seen", "ended", "reopened", "escalated", "priority"}

// exportActions streams a list. What goes wrong on the way is the last line: the
// answer has begun by then.
func (a *API) exportActions(ctx context.Context, s access.Scope, in *exportInput) (*huma.StreamResponse, error) {
	f := chosen(ListInput{State: in.State, Realm: in.Realm, Q: in.Q}, in.ActionChoice)
	f.Limit = 1
	if _, err := a.b.Actions.List(ctx, s, f); err != nil { // What is asked wrongly is refused before.
		return nil, err
	}
	tree := a.b.Tree()
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", "text/csv; charset=utf-8")
		out.SetHeader("Content-Disposition", `attachment; filename="actions.csv"`)
		c := sheet.New(out.BodyWriter(), exported...)
		err := a.b.Actions.Each(out.Context(), s, f, func(x action.Action) error {
			o, _ := tree.Get(x.Org)
			c.Line(cells(o.Slug, x)...)
			return nil
		})
		if err != nil && out.Context().Err() == nil {
			c.Line(fmt.Sprintf("incomplete: %v", a.problem(ctx, "action-export", err)))
		}
		_ = c.Flush() // A reader that is gone is told nothing.
	}}, nil
}

// cells is an action as a line.
func cells(organisation string, x action.Action) []string {
	w := x.Weakness
	date := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	return []string{string(x.ID), organisation, strconv.FormatBool(x.OwnerKnown), string(x.Source), string(x.State), string(w.Level), strconv.FormatBool(w.Threat.KEV), w.Asset.Kind,
		w.Asset.Key, w.Asset.Name, strconv.FormatBool(w.Asset.Exposed), w.Place, w.Check, w.Name, w.Title, w.TitleJA, w.Version, w.Fix, w.FixJA, date(x.Due), x.DueWhy, x.DueWhyJA,
		x.Assignee, date(x.FirstSeen), date(x.LastSeen), date(x.Ended), strconv.Itoa(x.Reopened), strconv.Itoa(x.Escalated), strconv.Itoa(x.Priority)}
}
