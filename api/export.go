package api

import (
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"noroshi/access"
	"noroshi/action"
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
		w := out.BodyWriter()
		_, _ = w.Write([]byte("\ufeff")) // A reader that is gone is seen at the flush.
		c := csv.NewWriter(w)
		c.UseCRLF = true
		_ = c.Write(exported)
		err := a.b.Actions.Each(out.Context(), s, f, func(x action.Action) error {
			o, _ := tree.Get(x.Org)
			_ = c.Write(cells(o.Slug, x))
			return c.Error()
		})
		if err != nil && out.Context().Err() == nil {
			_ = c.Write([]string{fmt.Sprintf("incomplete: %v", a.problem(ctx, "action-export", err))})
		}
		c.Flush()
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
	line := []string{string(x.ID), organisation, strconv.FormatBool(x.OwnerKnown), string(x.Source), string(x.State), string(w.Level), strconv.FormatBool(w.Threat.KEV), w.Asset.Kind,
		w.Asset.Key, w.Asset.Name, strconv.FormatBool(w.Asset.Exposed), w.Place, w.Check, w.Name, w.Title, w.TitleJA, w.Version, w.Fix, w.FixJA, date(x.Due), x.DueWhy, x.DueWhyJA,
		x.Assignee, date(x.FirstSeen), date(x.LastSeen), date(x.Ended), strconv.Itoa(x.Reopened), strconv.Itoa(x.Escalated), strconv.Itoa(x.Priority)}
	for i := range line {
		line[i] = plain(line[i])
	}
	return line
}

// plain makes a cell that no spreadsheet takes for a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
