package cli

import (
	"context"
	"fmt"
	"strings"

	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
)

// person lets somebody sign in at the hub of this machine.
func person(ctx context.Context, env *environment, args []string) error {
	const op = "cli.person"
	if len(args) < 2 || args[0] != "add" || strings.HasPrefix(args[1], "-") {
		return fault.New(fault.Invalid, op, "write: noroshi person add NAME --org SLUG --role ROLE")
	}
	name := args[1]
	fs, get := flags(env, "person add")
	slug := fs.String("org", "", "organisation at which the role is held, by its short name")
	role := fs.String("role", "", "viewer, analyst, operator or administrator, there and below")
	if err := parse(fs, args[2:]); err != nil {
		return err
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	c := operator.Dial(app.Socket(cfg.DataDir))
	org, err := bySlug(ctx, c, *slug)
	if err != nil {
		return err
	}
	var out struct{ Link string }
	if err := c.Post(ctx, "/people", app.NewPerson{Name: name, Org: org, Role: *role}, &out); err != nil {
		return err
	}
	fmt.Fprintln(env.out, out.Link)
	fmt.Fprintf(env.err, "The link signs %s in once, within 15 minutes.\n", name)
	return nil
}
