package cli

import (
	"context"
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"

	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/org"
)

// tokens lists the enrolment tokens of the running hub, or ends one.
func tokens(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "hub tokens")
	revoke := fs.String("revoke", "", "end the token of this name, which waits to be used")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	c := operator.Dial(app.Socket(cfg.DataDir))
	if *revoke != "" {
		return c.Post(ctx, "/api/v1/tokens/"+url.PathEscape(*revoke)+"/revoke", nil, nil)
	}
	var orgs api.Items[org.Organisation]
	if err := c.Get(ctx, "/api/v1/organisations", &orgs); err != nil {
		return err
	}
	slug := map[ident.ID]string{}
	for _, o := range orgs.Items {
		slug[o.ID] = o.Slug
	}
	var list api.Items[identity.EnrolToken]
	if err := c.Get(ctx, "/api/v1/tokens", &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOKEN\tORGANISATION\tROLE\tSTATE\tEXPIRES\tNOTES")
	for _, x := range list.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, slug[x.Org], x.Role, x.State, x.Expires.Local().Format(time.DateTime), notes(x))
	}
	return fault.Wrap("cli.tokens", w.Flush())
}

// notes says what became of a token.
func notes(x identity.EnrolToken) (s string) {
	if x.UsedBy != "" {
		s = fmt.Sprintf("joined as %s from %s", x.UsedBy, x.UsedPeer)
	}
	if x.Refusals > 0 {
		if s != "" {
			s += "; "
		}
		s += fmt.Sprintf("shown again %d times, last from %s on %s", x.Refusals, x.RefusedPeer, x.Refused.Local().Format(time.DateTime))
	}
	return s
}
