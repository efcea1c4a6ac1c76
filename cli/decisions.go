package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"noroshi/analyse/systems"
	"noroshi/analyse/vex"
	"noroshi/api/operator"
	"noroshi/fault"
)

// decide hands in a document of decisions (VEX).
func decide(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	slug := c.fs.String("org", "", "the organisation whose systems it is about, by its short name")
	below := c.fs.Bool("below", false, "it holds for the organisations below, too")
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	content, err := readUpTo(rest[0], systems.MaxVEX)
	if err != nil {
		return err
	}
	id, err := bySlug(ctx, hub, *slug)
	if err != nil {
		return err
	}
	q := url.Values{"org": {string(id)}, "name": {filepath.Base(rest[0])}, "below": {strconv.FormatBool(*below)}}
	var v systems.VEX
	if err := hub.Send(ctx, "/api/v1/decisions?"+q.Encode(), content, &v); err != nil {
		return err
	}
	if err := c.said(v, "%s is in force: %s, %d statements, %d put aside\n", "%s が有効になりました: %s、判断 %d件、除外 %d件\n", string(v.ID), v.Format, v.Statements, v.Refused); err != nil {
		return err
	}
	for _, p := range v.Said {
		fmt.Fprintln(c.env.err, plain(p))
	}
	return nil
}

// judge decides about one hit.
func judge(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	var x systems.Choice
	text := func(to *string, name, def, help string) { c.fs.StringVar(to, name, def, help) }
	text((*string)(&x.Status), "status", "", "not_affected, affected, fixed or under_investigation")
	text(&x.Justification, "justification", "", "of what is not affected: "+strings.Join(vex.Justifications, ", "))
	text(&x.Why, "why", "", "in words: why it does not hit, or what is to be done")
	text(&x.PURL, "component", "", "package URL of the component, where it hits more than one")
	text(&x.Where, "where", systems.InSystem, "it holds in this system, in the whole organisation, or below it, too: system, organisation or below")
	text(&x.Holds, "holds", systems.AnyVersion, "any, version (until the component is another one), or a range such as 'vers:npm/>=2.0.0|<3.0.0'")
	slug := c.fs.String("as", "", "the organisation above that decides for those below it, by its short name")
	c.fs.Func("until", "the day on which it ends, such as 2027-03-31", func(v string) (err error) {
		x.Until, err = time.Parse(time.DateOnly, v)
		return err
	})
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	d, err := find(ctx, hub, rest[0])
	if err != nil {
		return err
	}
	if *slug != "" {
		if x.Org, err = bySlug(ctx, hub, *slug); err != nil {
			return err
		}
	}
	x.System, x.Weakness = d.System.ID, rest[1]
	var v systems.VEX
	if err := hub.Post(ctx, "/api/v1/decisions/choose", x, &v); err != nil {
		return err
	}
	return c.said(v, "%s is in force: %s in %s, %s\n", "%s が有効になりました: %[3]s の %[2]s、%[4]s\n", string(v.ID), v.Choice.Weakness, v.Choice.Name, c.decision(&vex.Decision{Status: x.Status, Justification: x.Justification, Why: x.Why}))
}

func listDecisions(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	q := url.Values{"limit": {"500"}}
	slug := c.fs.String("org", "", "of one organisation, by its short name")
	c.fs.Func("weakness", "what people decided one by one about a weakness, and what became of it", func(v string) error { q.Set("weakness", v); return nil })
	c.fs.Func("cursor", "where the page before ended", func(v string) error { q.Set("cursor", v); return nil })
	_, hub, err := parse()
	if err != nil {
		return err
	}
	if err := within(ctx, hub, *slug, q); err != nil {
		return err
	}
	var p systems.VEXPage
	if err := hub.Get(ctx, "/api/v1/decisions?"+q.Encode(), &p); err != nil {
		return err
	}
	if done, err := c.print(p); done {
		return err
	}
	of, err := slugs(ctx, hub)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, c.in("ID\tORGANISATION\tFILE OR DECISION\tFORMAT\tSTATEMENTS\tHANDED IN\tSTATE\tBY", "識別子\t組織\tファイル・判断\t形式\t判断数\t提出\t状態\t担当"))
	for _, v := range p.Items {
		said := map[string]string{systems.InForce: c.in("in force", "有効"), systems.Withdrawn: c.in("withdrawn", "取下げ"), systems.Replaced: c.in("replaced", "置換え"), systems.Expired: c.in("expired", "期限切れ")}[v.State]
		what := v.File
		if x := v.Choice; x != nil {
			what = x.Weakness + " " + x.Component + " " + c.decision(&vex.Decision{Status: x.Status, Justification: x.Justification, Why: x.Why})
		}
		if v.Below {
			said += c.in(", and below", "、配下の組織にも")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", v.ID, of[v.Org], plain(what), v.Format, v.Statements, v.At.Local().Format("2006-01-02 15:04"), plain(strings.Trim(said+": "+v.Reason, ": ")), plain(cmp.Or(v.Who, v.By)))
	}
	if p.Next != "" {
		fmt.Fprintln(t, c.in("more: --cursor ", "続き: --cursor ")+p.Next)
	}
	return fault.Wrap(opSystem, t.Flush())
}

// withdrawDecisions takes a document back. It has one version until then.
func withdrawDecisions(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	reason := c.fs.String("reason", "", "why, for whoever looks at it later")
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	var v systems.VEX
	if err := hub.Post(ctx, "/api/v1/decisions/"+url.PathEscape(rest[0])+"/withdraw", map[string]any{"version": 1, "reason": *reason}, &v); err != nil {
		return err
	}
	return c.said(v, "%s decides nothing any more\n", "%s を取り下げました\n", string(v.ID))
}

// tellVEX writes what hits a system, or the systems of an organisation, and what
// is decided about it.
func tellVEX(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	format := c.fs.String("format", "openvex", "openvex, cyclonedx or csaf")
	name := c.fs.String("system", "", "of one system, by its name or identifier")
	slug := c.fs.String("org", "", "of all systems of an organisation, by its short name, in a zip file")
	to := c.fs.String("output", "", "file to write")
	_, hub, err := parse()
	if err != nil {
		return err
	}
	var path string
	switch {
	case (*name == "") == (*slug == ""):
		return fault.New(fault.Invalid, opSystem, "say of what: noroshi system vex --system NAME, or --org SLUG --output FILE.zip")
	case *name != "":
		d, err := find(ctx, hub, *name)
		if err != nil {
			return err
		}
		path = "/api/v1/systems/" + url.PathEscape(string(d.System.ID)) + "/vex?format=" + url.QueryEscape(*format)
	default:
		if *to == "" {
			return fault.New(fault.Invalid, opSystem, "say into which file, with --output FILE.zip: there is a document for each system")
		}
		id, err := bySlug(ctx, hub, *slug)
		if err != nil {
			return err
		}
		path = "/api/v1/systems/vex?org=" + url.QueryEscape(string(id)) + "&format=" + url.QueryEscape(*format)
	}
	if *to == "" {
		return hub.Fetch(ctx, path, c.env.out)
	}
	return export(ctx, hub, path, *to)
}
