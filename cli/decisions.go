package cli

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"text/tabwriter"

	"noroshi/analyse/systems"
	"noroshi/api/operator"
	"noroshi/fault"
)

// decide hands in a document of decisions (VEX).
func decide(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	slug := c.fs.String("org", "", "the organisation whose systems it is about, by its short name")
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
	q := url.Values{"org": {string(id)}, "name": {filepath.Base(rest[0])}}
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

func listDecisions(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	q := url.Values{"limit": {"500"}}
	slug := c.fs.String("org", "", "of one organisation, by its short name")
	c.fs.Func("cursor", "where the page before ended", func(v string) error { q.Set("cursor", v); return nil })
	_, hub, err := parse()
	if err != nil {
		return err
	}
	if *slug != "" {
		id, err := bySlug(ctx, hub, *slug)
		if err != nil {
			return err
		}
		q.Set("org", string(id))
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
	fmt.Fprintln(t, c.in("ID\tORGANISATION\tFILE\tFORMAT\tSTATEMENTS\tHANDED IN\tSTATE\tBY", "識別子\t組織\tファイル\t形式\t判断数\t提出\t状態\t担当"))
	for _, v := range p.Items {
		state := c.in("in force", "有効")
		if v.State == systems.Withdrawn {
			state = c.in("withdrawn: ", "取下げ: ") + v.Reason
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", v.ID, of[v.Org], plain(v.File), v.Format, v.Statements, v.At.Local().Format("2006-01-02 15:04"), plain(state), plain(v.By))
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
