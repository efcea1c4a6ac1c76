package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"noroshi/analyse/exposure"
	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/sense/surface"
)

// scopes records what owners have authorised, at the hub of this machine.
func scopes(ctx context.Context, env *environment, args []string) error {
	const op = "cli.scope"
	if len(args) == 0 {
		return fault.New(fault.Invalid, op, "say what: list, show ID, propose FILE --org SLUG, approve ID, or withdraw ID --reason TEXT")
	}
	verb, rest, what := args[0], args[1:], ""
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		what, rest = rest[0], rest[1:]
	}
	fs, get := flags(env, "scope "+verb)
	slug := fs.String("org", "", "of a proposal: whose addresses these are, by its short name")
	reason := fs.String("reason", "", "of a withdrawal: why")
	if err := parse(fs, rest); err != nil {
		return err
	}
	if what == "" && verb != "list" {
		return fault.New(fault.Invalid, op, "say which: noroshi scope %s %s", verb, map[bool]string{true: "FILE", false: "ID"}[verb == "propose"])
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	c := operator.Dial(app.Socket(cfg.DataDir))
	one := "/api/v1/scopes/" + url.PathEscape(what)
	var x exposure.Scope
	switch verb {
	case "list":
		return listScopes(ctx, env.out, c)
	case "show":
		var page api.ScopePage
		err := c.Get(ctx, one, &page)
		if err == nil {
			tellScope(env.out, page.Scope)
			_, err = io.WriteString(env.out, "\n"+page.Scope.Text)
		}
		return err
	case "propose":
		return propose(ctx, env.out, c, what, *slug)
	case "approve":
		err = c.Post(ctx, one+"/approve", map[string]any{"version": 0}, &x)
	case "withdraw":
		err = c.Post(ctx, one+"/withdraw", map[string]any{"version": 0, "reason": *reason}, &x)
	default:
		return fault.New(fault.Invalid, op, "%q is not list, show, propose, approve or withdraw", verb)
	}
	if err == nil {
		tellScope(env.out, x)
	}
	return err
}

func propose(ctx context.Context, out io.Writer, c operator.Client, file, slug string) error {
	if _, err := surface.Load(file); err != nil { // It says the place in the file.
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fault.As(fault.NotFound, "cli.scope", err, "the scope %s cannot be read", file)
	}
	org, err := bySlug(ctx, c, slug)
	if err != nil {
		return err
	}
	var x exposure.Scope
	if err := c.Post(ctx, "/api/v1/scopes", map[string]any{"org": org, "text": string(text)}, &x); err != nil {
		return err
	}
	tellScope(out, x)
	return nil
}

func listScopes(ctx context.Context, out io.Writer, c operator.Client) error {
	cursor := ""
	for {
		var page struct {
			Items []exposure.Scope
			Next  string
		}
		if err := c.Get(ctx, "/api/v1/scopes?limit=500&cursor="+url.QueryEscape(cursor), &page); err != nil {
			return err
		}
		for _, x := range page.Items {
			tellScope(out, x)
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

func tellScope(w io.Writer, x exposure.Scope) {
	by := "recorded by " + x.RecordedBy
	if x.ApprovedBy != "" {
		by += ", approved by " + x.ApprovedBy
	}
	what := "targets"
	if x.Terms.Survey != "" {
		what = "targets of a survey of devices"
	}
	fmt.Fprintf(w, "%s  %-9s  %s: %d %s until %s, %s\n", x.ID, x.State, x.Terms.Owner, x.Terms.Targets, what, x.Terms.ValidUntil.Local().Format(time.DateOnly), by)
}
