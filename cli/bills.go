package cli

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"noroshi/analyse/systems"
	"noroshi/api/operator"
	"noroshi/fault"
)

func fetchBill(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	number := c.fs.Int("number", 0, "which bill; the one in force when left out")
	to := c.fs.String("output", "", "file to write")
	cyclonedx := c.fs.Bool("cyclonedx", false, "as CycloneDX, whatever it was handed in as")
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	d, err := find(ctx, hub, rest[0])
	if err != nil {
		return err
	}
	if *number == 0 && d.System.InForce != nil {
		*number = d.System.InForce.Number
	}
	path := "/api/v1/systems/" + url.PathEscape(string(d.System.ID)) + "/bills/" + strconv.Itoa(max(*number, 1))
	if *cyclonedx {
		path += "?format=cyclonedx"
	}
	if *to == "" {
		return hub.Fetch(ctx, path, c.env.out)
	}
	return export(ctx, hub, path, *to)
}

func compareBills(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	from := c.fs.Int("from", 0, "the number of a bill; the one before the last when left out")
	to := c.fs.Int("to", 0, "the number of a bill; the last when left out")
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	d, err := find(ctx, hub, rest[0])
	if err != nil {
		return err
	}
	if *to == 0 && len(d.Bills) > 0 {
		*to = d.Bills[0].Number
	}
	if *from == 0 {
		*from = *to - 1
	}
	if *from < 1 {
		return fault.New(fault.NotFound, opSystem, "%s has no two bills of materials to compare", d.System.Name)
	}
	var x systems.Comparison
	if err := hub.Get(ctx, fmt.Sprintf("/api/v1/systems/%s/compare?from=%d&to=%d", d.System.ID, *from, *to), &x); err != nil {
		return err
	}
	if done, err := c.print(x); done {
		return err
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	for _, p := range x.Added {
		fmt.Fprintf(t, "+\t%s\t%s\n", plain(p.Package), plain(p.Version))
	}
	for _, p := range x.Removed {
		fmt.Fprintf(t, "-\t%s\t%s\n", plain(p.Package), plain(p.Version))
	}
	for _, p := range x.Changed {
		fmt.Fprintf(t, "~\t%s\t%s → %s\n", plain(p.Package), plain(strings.Join(p.From, ", ")), plain(strings.Join(p.To, ", ")))
	}
	fmt.Fprintf(t, c.in("%s → %s: %d added, %d removed, %d changed, %d the same\n", "%s → %s: 追加 %d、削除 %d、変更 %d、同一 %d\n"),
		plain(x.From.Version), plain(x.To.Version), len(x.Added), len(x.Removed), len(x.Changed), x.Same)
	return fault.Wrap(opSystem, t.Flush())
}

func changeSystem(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	said := map[string]bool{}
	var f systems.Facts
	factsFlags(c.fs, &f)
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	d, err := find(ctx, hub, rest[0])
	if err != nil {
		return err
	}
	now := d.System.Facts
	c.fs.Visit(func(x *flag.Flag) { said[x.Name] = true })
	if said["owner"] {
		now.Owner = f.Owner
	}
	if said["importance"] {
		now.Importance = f.Importance
	}
	if said["seen-as"] {
		now.SeenAs = f.SeenAs
	}
	var s systems.System
	if err := hub.Put(ctx, "/api/v1/systems/"+string(d.System.ID), struct {
		systems.Facts
		Version int64 `json:"version"`
	}{now, d.System.Version}, &s); err != nil {
		return err
	}
	return c.said(s, "%s was changed\n", "%s を変更しました\n", s.Name)
}

func retireSystem(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	d, err := find(ctx, hub, rest[0])
	if err != nil {
		return err
	}
	var s systems.System
	if err := hub.Post(ctx, "/api/v1/systems/"+string(d.System.ID)+"/retire", map[string]any{"version": d.System.Version}, &s); err != nil {
		return err
	}
	return c.said(s, "%s is not operated any more\n", "%s を廃止しました\n", s.Name)
}
