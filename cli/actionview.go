package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/api"
	"noroshi/fault"
	"noroshi/ident"
)

// print writes v as JSON if that is asked for.
func (c *actionCommand) print(v any) (done bool, err error) {
	if !*c.asJSON {
		return false, nil
	}
	e := json.NewEncoder(c.env.out)
	e.SetIndent("", "  ")
	return true, fault.Wrap(opAction, e.Encode(v))
}

var stateJA = map[action.State]string{action.Open: "未対応", action.Claimed: "対応済み(未確認)", action.Excepted: "例外", action.Proved: "解消確認", action.Refuted: "誤検知"}

func listActions(ctx context.Context, c *actionCommand, args []string) error {
	q := url.Values{}
	for name, help := range map[string]string{"state": "states, parted by commas: open, claimed, excepted, proved, refuted", "level": "at least: low, medium, high, critical",
		"source": "surface, sbom or iot", "q": "text in the weakness, or the beginning of the asset", "sort": "due, priority or seen", "realm": "real or exercise", "cursor": "where the page before ended"} {
		c.fs.Func(name, help, func(v string) error { q.Set(name, v); return nil })
	}
	for name, help := range map[string]string{"kev": "known to be exploited", "overdue": "past their date", "owner_unknown": "whose owner has to be found", "asked": "an exception waits to be decided"} {
		c.fs.BoolFunc(name, help, func(v string) error { q.Set(name, v); return nil })
	}
	slug := c.fs.String("org", "", "of one organisation, by its short name")
	limit := c.fs.Int("limit", 50, "how many, up to 500")
	hub, err := c.hub(ctx, args)
	if err != nil {
		return err
	}
	if err := within(ctx, hub, *slug, q); err != nil {
		return err
	}
	q.Set("limit", strconv.Itoa(*limit))
	var p api.Page[action.Action, action.State]
	if err := hub.Get(ctx, "/api/v1/actions?"+q.Encode(), &p); err != nil {
		return err
	}
	if done, err := c.print(p); done {
		return err
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, c.in("ID\tSTATE\tDUE\tLEVEL\tASSET\tPLACE\tWEAKNESS", "識別子\t状態\t期限\t深刻度\t資産\t場所\t弱点"))
	for _, a := range p.Items {
		w := a.Weakness
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%q\t%q\t%q\n", a.ID, c.in(string(a.State), stateJA[a.State]), a.Due.Local().Format(time.DateOnly), w.Level, w.Asset.Key, w.Place, w.Name+" "+c.in(w.Title, w.TitleJA))
	}
	for _, s := range action.States {
		fmt.Fprintf(t, "%s %d  ", c.in(string(s), stateJA[s]), p.Counts[s])
	}
	fmt.Fprintln(t)
	if p.Next != "" {
		fmt.Fprintln(t, c.in("more: --cursor ", "続き: --cursor ")+p.Next)
	}
	return fault.Wrap(opAction, t.Flush())
}

func showAction(ctx context.Context, c *actionCommand, args []string) error {
	hub, err := c.hub(ctx, args)
	if err != nil {
		return err
	}
	var d api.ActionDetail
	if err := hub.Get(ctx, "/api/v1/actions/"+url.PathEscape(c.id), &d); err != nil {
		return err
	}
	return c.show(d)
}

// show writes an action. What others wrote is quoted: a terminal obeys what it
// is shown.
func (c *actionCommand) show(d api.ActionDetail) error {
	if done, err := c.print(d); done {
		return err
	}
	a, w := d.Action, d.Action.Weakness
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	line := func(en, ja, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", c.in(en, ja), fmt.Sprintf(format, args...))
	}
	line("action", "対応", "%s  %q  %s", a.ID, w.Name+" "+c.in(w.Title, w.TitleJA), w.Level)
	line("where", "場所", "%q %q (%s, %s)", w.Asset.Key, w.Place, a.Source, w.Check)
	line("state", "状態", "%s  %q  %q", c.in(string(a.State), stateJA[a.State]), a.By, c.in(a.Why, a.WhyJA))
	line("due", "期限", "%s  %s", a.Due.Local().Format(time.DateTime), c.in(a.DueWhy, a.DueWhyJA))
	line("seen", "確認", "%s – %s", a.FirstSeen.Local().Format(time.DateTime), a.LastSeen.Local().Format(time.DateTime))
	if a.Assignee != "" {
		line("assignee", "担当", "%q", a.Assignee)
	}
	if x := a.Exception; x != nil {
		line("exception", "例外", "%q, %q → %q, %s", x.Reason, x.AskedBy, x.Approver, x.Until.Local().Format(time.DateOnly))
	}
	if w.Fix != "" {
		line("to do", "対処", "%q", c.in(w.Fix, w.FixJA))
	}
	if a.Proof != nil {
		line("proof", "証拠", "%q", a.Proof.Text)
	}
	for _, h := range d.History {
		line(h.At.Local().Format(time.DateTime), h.At.Local().Format(time.DateTime), "%s  %q", h.Action, h.Actor)
	}
	return fault.Wrap(opAction, t.Flush())
}

func showFigures(ctx context.Context, c *actionCommand, args []string) error {
	days := c.fs.Int("days", 365, "what was found, proved or due in the last days counts")
	hub, err := c.hub(ctx, args)
	if err != nil {
		return err
	}
	var rep remediation.Report
	if err := hub.Get(ctx, "/api/v1/actions/figures?days="+strconv.Itoa(*days), &rep); err != nil {
		return err
	}
	if done, err := c.print(rep); done {
		return err
	}
	names := map[ident.ID]string{}
	list, err := organisations(ctx, hub)
	if err != nil {
		return err
	}
	for _, o := range list {
		names[o.ID] = o.Slug
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, c.in("\tLIVE\tOVERDUE\tFOUND\tPROVED\tHALF-LIFE\tMEDIAN\tIN TIME\tOWNER KNOWN\tREOPENED", "\t未解消\t期限超過\t発見\t解消\t半減期(日)\t中央値(日)\t期限内\t所有者判明\t再発"))
	row := func(name string, f remediation.Figures) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", name, f.Live, f.Overdue, f.Found, f.Proved, number(f.HalfLife, 1, " d"), number(f.MedianDays, 1, " d"),
			number(f.InTime, 100, " %"), number(f.OwnerKnown, 100, " %"), number(f.Reopened, 100, " %"))
	}
	row(c.in("all", "全体"), rep.All)
	for _, f := range rep.Sectors {
		row(f.Sector, f)
	}
	for _, f := range rep.Organisations {
		row("  "+names[f.Org], f)
	}
	return fault.Wrap(opAction, t.Flush())
}

func number(x *float64, times float64, unit string) string {
	if x == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f%s", *x*times, unit)
}
