package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"noroshi/analyse/systems"
	"noroshi/analyse/vex"
	"noroshi/api/operator"
	"noroshi/fault"
	"noroshi/ident"
)

// whoAtHub says who of the systems at the hub has a weakness; sbom who-is-hit
// answers of files.
func whoAtHub(ctx context.Context, env *environment, args []string) error {
	c := asking(env, "who-is-hit CVE")
	sheet := c.fs.String("csv", "", "write the answer into a file, for a spreadsheet")
	rest, err := anyOrder(c.fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return fault.New(fault.Invalid, "cli.who", "say by what: noroshi who-is-hit CVE-2026-1234; of files answers noroshi sbom who-is-hit")
	}
	hub, err := c.get(ctx)
	if err != nil {
		return err
	}
	if *sheet != "" {
		return export(ctx, hub, "/api/v1/who-is-hit/export.csv?name="+url.QueryEscape(rest[0]), *sheet)
	}
	return c.whoOfHub(ctx, hub, rest[0])
}

// whoOfHub answers of the systems at the hub, all pages of it.
func (c *actionCommand) whoOfHub(ctx context.Context, hub operator.Client, name string) error {
	slugs, err := slugs(ctx, hub)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	for cursor := ""; ; {
		var w systems.Who
		if err := hub.Get(ctx, "/api/v1/who-is-hit?limit=500&name="+url.QueryEscape(name)+"&cursor="+cursor, &w); err != nil {
			return err
		}
		if *c.asJSON {
			if _, err := c.print(w); err != nil {
				return err
			}
		} else {
			if cursor == "" {
				fmt.Fprintf(t, c.in("%d organisations, %d of %d systems are hit by %s; %d hits are decided to be none\n", "%[4]s の影響: %[1]d組織、%[3]dシステム中%[2]d件(影響なしと判断 %[5]d件)\n"), w.Organisations, w.Systems, w.Looked, name, w.Decided)
				if len(w.Items) > 0 {
					fmt.Fprintln(t, c.in("ORGANISATION\tSYSTEM\tCOMPONENT\tFIXED IN\tTHROUGH\tREACHED FROM OUTSIDE\tOWNER\tACTION\tDECISION", "組織\tシステム\t部品\t修正版\t経路\t外部公開\t担当\t対応\t判断"))
				}
			}
			c.hits(t, w.Items, slugs)
		}
		if cursor = w.Next; cursor == "" {
			return fault.Wrap("cli.who", t.Flush())
		}
	}
}

// hits prints a line for each hit.
func (c *actionCommand) hits(t *tabwriter.Writer, list []systems.Hit, slugs map[ident.ID]string) {
	for _, h := range list {
		done := c.in("not yet", "未登録")
		if h.Action != nil {
			done = c.in(string(h.Action.State), stateJA[h.Action.State]) + " " + string(h.Action.ID)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", slugs[h.Org], plain(strings.TrimSpace(h.Name+" "+h.Version)), plain(h.Component), plain(orNone(h.Fixed)), plain(through(h.Path)),
			plain(c.seen(h)), plain(h.Owner), done, plain(c.decision(h.Decision)+c.above(h, slugs)))
	}
}

// above says whose decision it is when it came from above.
func (c *actionCommand) above(h systems.Hit, slugs map[ident.ID]string) string {
	if h.Decision == nil || h.Decision.From == string(h.Org) {
		return ""
	}
	return fmt.Sprintf(c.in(" (decided by %s)", "(%s の判断)"), cmp.Or(slugs[ident.ID(h.Decision.From)], h.Decision.Author))
}

// decision says what was decided about a hit, and why.
func (c *actionCommand) decision(d *vex.Decision) string {
	if d == nil {
		return ""
	}
	words := map[vex.Status][2]string{vex.NotAffected: {"not affected", "影響なし"}, vex.Fixed: {"fixed", "修正済"}, vex.Affected: {"affected", "影響あり"}, vex.UnderInvestigation: {"looked into", "調査中"}}[d.Status]
	why := cmp.Or(d.Why, d.Justification, d.Action)
	return strings.TrimSuffix(c.in(words[0], words[1])+": "+why, ": ")
}

// seen says how a system is reached from outside, and who says so.
func (c *actionCommand) seen(h systems.Hit) string {
	switch {
	case h.Seen != nil:
		return fmt.Sprintf(c.in("seen on %s: %s", "%s に確認: %s"), h.Seen.At.Format(time.DateOnly), strings.Join(h.Seen.Ports, ", "))
	case len(h.SeenAs) > 0:
		return fmt.Sprintf(c.in("its owner says: %s", "申告: %s"), strings.Join(h.SeenAs, " "))
	}
	return c.in("not known", "不明")
}

// slugs are the short names of the organisations.
func slugs(ctx context.Context, hub operator.Client) (map[ident.ID]string, error) {
	list, err := organisations(ctx, hub)
	of := map[ident.ID]string{}
	for _, o := range list {
		of[o.ID] = o.Slug
	}
	return of, err
}

// export writes an answer of the hub into a file.
func export(ctx context.Context, hub operator.Client, path, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return fault.As(fault.Invalid, "cli.export", err, "%v", err)
	}
	if err := hub.Fetch(ctx, path, f); err != nil {
		_ = f.Close() // What went wrong before says more.
		_ = os.Remove(name)
		return err
	}
	return fault.Wrap("cli.export", f.Close())
}
