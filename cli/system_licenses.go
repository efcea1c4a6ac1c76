package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"text/tabwriter"

	"noroshi/analyse/systems"
	"noroshi/api/operator"
	"noroshi/fault"
)

// listLicenses lists the licenses of components, or with --systems who has them.
func listLicenses(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	q := url.Values{"limit": {"500"}}
	for name, help := range map[string]string{"q": "text in the name of the license", "cursor": "where the page before ended"} {
		c.fs.Func(name, help, func(v string) error { q.Set(name, v); return nil })
	}
	each := c.fs.Bool("systems", false, "say which systems have them, with how many components")
	slug := c.fs.String("org", "", "of one organisation, by its short name")
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
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	next := ""
	if *each {
		var p systems.LicensePlaces
		if err := hub.Get(ctx, "/api/v1/licenses/systems?"+q.Encode(), &p); err != nil {
			return err
		}
		if done, err := c.print(p); done {
			return err
		}
		of, err := slugs(ctx, hub)
		if err != nil {
			return err
		}
		fmt.Fprintln(t, c.in("ORGANISATION\tSYSTEM\tVERSION\tLICENSE\tCOMPONENTS", "組織\tシステム\t版\tライセンス\t部品数"))
		for _, x := range p.Items {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\n", of[x.Org], plain(x.Name), plain(x.Version), c.license(x.License.License), x.Components)
		}
		next = p.Next
	} else {
		var p systems.LicensePage
		if err := hub.Get(ctx, "/api/v1/licenses?"+q.Encode(), &p); err != nil {
			return err
		}
		if done, err := c.print(p); done {
			return err
		}
		fmt.Fprintln(t, c.in("LICENSE\tSYSTEMS\tCOMPONENTS", "ライセンス\tシステム数\t部品数"))
		for _, x := range p.Items {
			fmt.Fprintf(t, "%s\t%d\t%d\n", c.license(x.License), x.Systems, x.Components)
		}
		next = p.Next
	}
	if next != "" {
		fmt.Fprintln(t, c.in("more: --cursor ", "続き: --cursor ")+next)
	}
	return fault.Wrap(opSystem, t.Flush())
}

// license is the name of a license, or that none is said.
func (c *actionCommand) license(name string) string {
	return cmp.Or(plain(name), c.in("(not said)", "(記載なし)"))
}
