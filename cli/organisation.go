package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/care"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/org"
)

func organisation(ctx context.Context, env *environment, args []string) error {
	const op = "cli.organisation"
	if len(args) == 0 {
		return fault.New(fault.Invalid, op, "say what: list, delete SLUG --basis TEXT, or deletions")
	}
	verb, rest, slug := args[0], args[1:], ""
	if verb == "delete" && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		slug, rest = rest[0], rest[1:]
	}
	fs, get := flags(env, "organisation "+verb)
	basis := fs.String("basis", "", "of a deletion: who decided it, and on what basis")
	if err := parse(fs, rest); err != nil {
		return err
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	c := operator.Dial(app.Socket(cfg.DataDir))
	switch verb {
	case "list":
		list, err := organisations(ctx, c)
		for _, o := range list {
			kept := "as long as the platform keeps anybody's"
			if o.RetentionDays > 0 {
				kept = fmt.Sprintf("%d days", o.RetentionDays)
			}
			fmt.Fprintf(env.out, "%-20s %-30s records are kept %s\n", o.Slug, o.Name, kept)
		}
		return err
	case "delete":
		if slug == "" {
			return fault.New(fault.Invalid, op, "say which: noroshi organisation delete SLUG --basis TEXT")
		}
		return deleteOrganisation(ctx, env.out, c, slug, *basis)
	case "deletions":
		list, err := deletions(ctx, c)
		for _, d := range list {
			report(env.out, d)
		}
		return err
	}
	return fault.New(fault.Invalid, op, "%q is not list, delete or deletions", verb)
}

func organisations(ctx context.Context, c operator.Client) ([]org.Organisation, error) {
	var list api.Items[org.Organisation]
	err := c.Get(ctx, "/api/v1/organisations", &list)
	return list.Items, err
}

// bySlug finds an organisation, or says which there are.
func bySlug(ctx context.Context, c operator.Client, slug string) (ident.ID, error) {
	list, err := organisations(ctx, c)
	if err != nil {
		return "", err
	}
	var known []string
	for _, o := range list {
		if o.Slug == slug {
			return o.ID, nil
		}
		known = append(known, o.Slug)
	}
	return "", fault.New(fault.NotFound, "cli.organisation", "there is no organisation %q; there are: %s", slug, strings.Join(known, ", "))
}

// within asks for one organisation's part of a list; for all where none is named.
func within(ctx context.Context, c operator.Client, slug string, q url.Values) error {
	if slug == "" {
		return nil
	}
	id, err := bySlug(ctx, c, slug)
	q.Set("org", string(id))
	return err
}

func deletions(ctx context.Context, c operator.Client) ([]care.Deletion, error) {
	var list api.Items[care.Deletion]
	err := c.Get(ctx, "/api/v1/deletions", &list)
	return list.Items, err
}

// deleteOrganisation asks for a deletion and waits until it is done. Whoever
// does not wait finds the report with 'deletions'.
func deleteOrganisation(ctx context.Context, out io.Writer, c operator.Client, slug, basis string) error {
	id, err := bySlug(ctx, c, slug)
	if err != nil {
		return err
	}
	var d care.Deletion
	if err := c.Post(ctx, "/api/v1/organisations/"+string(id)+"/delete", map[string]any{"basis": basis}, &d); err != nil {
		return err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := deletions(ctx, c)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(x care.Deletion) bool { return x.Org == id && !x.Done.IsZero() })
		if i >= 0 {
			report(out, list[i])
			return nil
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "cli.organisation", "the deletion goes on in the hub; 'noroshi organisation deletions' tells how far it is")
		case <-tick.C:
		}
	}
}

func report(w io.Writer, d care.Deletion) {
	state := "is being deleted since " + d.Asked.Local().Format(time.DateTime)
	if !d.Done.IsZero() {
		state = "was deleted on " + d.Done.Local().Format(time.DateTime)
	}
	fmt.Fprintf(w, "%s (%s) %s\n  asked by  %s\n  basis     %s\n", d.Name, d.Slug, state, d.By, d.Basis)
	for _, step := range slices.Sorted(maps.Keys(d.Counts)) {
		if n := d.Counts[step]; n > 0 {
			fmt.Fprintf(w, "  %-22s %d\n", step, n)
		} else {
			fmt.Fprintf(w, "  %-22s done\n", step)
		}
	}
}
