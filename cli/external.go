package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"noroshi/bus"
	"noroshi/fault"
	"noroshi/identity"
)

// callout makes the key with which the hubs tell an external bus whom to admit.
func callout(_ context.Context, env *environment, args []string) error {
	fs, _ := flags(env, "hub callout")
	if err := parse(fs, args); err != nil {
		return err
	}
	seed, public, err := bus.NewCallout()
	if err != nil {
		return err
	}
	fmt.Fprintf(env.out, "callout_seed: %s\nCALLOUT_ISSUER=%s\n", seed, public)
	fmt.Fprintln(env.err, "The first line goes into hub.nats of every hub and is secret; the second into the environment of every NATS server.")
	return nil
}

var fileName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.-]{0,63}$`)

// issue makes the certificate of a server of an external bus, with the authority
// in the data folder. It asks no running hub.
func issue(_ context.Context, env *environment, args []string) error {
	const op = "cli.issue"
	flag, get := flags(env, "hub issue")
	name := flag.String("name", "", "of the server, and of its files")
	hosts := flag.String("host", "", "names and addresses under which hubs, nodes and servers reach it, with commas between")
	to := flag.String("to", "", "folder for NAME.key, NAME.pem and ca.pem")
	if err := parse(flag, args); err != nil {
		return err
	}
	if !fileName.MatchString(*name) || *name == "ca" || *hosts == "" || *to == "" {
		return fault.New(fault.Invalid, op, "say --name (letters, digits, points and hyphens), --host and --to")
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	dir := filepath.Join(cfg.DataDir, "identity")
	if _, err := os.Stat(filepath.Join(dir, "ca.key")); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, op, "there is no authority in %s; start a hub there first, or say --data", dir)
	}
	ca, err := identity.OpenCA(dir, time.Now)
	if err != nil {
		return err
	}
	if err := ca.IssueHub(*to, *name, strings.Split(*hosts, ",")); err != nil {
		return err
	}
	fmt.Fprintf(env.out, "%s\n%s\n%s\n", filepath.Join(*to, *name+".pem"), filepath.Join(*to, *name+".key"), filepath.Join(*to, "ca.pem"))
	fmt.Fprintln(env.err, "Ask again every week or so: a new one is made when a third of its 90 days is left, and the server reads it when it is told to reload.")
	return nil
}
