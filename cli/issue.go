package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"noroshi/fault"
	"noroshi/identity"
)

// issue writes a hub's certificate for a server that is part of the platform.
func issue(_ context.Context, env *environment, args []string) error {
	fs, get := flags(env, "hub issue")
	name := fs.String("name", "", "name of the server, for people")
	hosts := fs.String("host", "", "names and addresses under which it is reached, separated by commas")
	to := fs.String("to", "", "folder for cert.pem, key.pem and ca.pem")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	if *name == "" || *hosts == "" || *to == "" {
		return fault.New(fault.Invalid, "cli.issue", "say --name, --host and --to")
	}
	ca, err := identity.OpenCA(filepath.Join(cfg.DataDir, "identity"), time.Now)
	if err != nil {
		return err
	}
	until, err := ca.IssueHub(*name, strings.Split(*hosts, ","), *to)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.out, "%s: cert.pem, key.pem and ca.pem are in %s, until %s\n", *name, *to, until.Format(time.DateOnly))
	return nil
}

// callout makes the key by which an external bus knows whom the hubs admit.
func callout(_ context.Context, env *environment, args []string) error {
	fs, _ := flags(env, "hub callout")
	if err := parse(fs, args); err != nil {
		return err
	}
	key, err := nkeys.CreateAccount()
	if err != nil {
		return fault.Wrap("cli.callout", err)
	}
	seed, err := key.Seed()
	if err != nil {
		return fault.Wrap("cli.callout", err)
	}
	public, err := key.PublicKey()
	if err != nil {
		return fault.Wrap("cli.callout", err)
	}
	fmt.Fprintf(env.out, "hub.nats.callout_seed  %s   (secret: the hubs' configuration or NOROSHI_HUB_NATS_CALLOUT_SEED)\nCALLOUT_ISSUER         %s   (public: the servers' environment)\n", seed, public)
	return nil
}
