package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/config"
	"noroshi/oplog"
)

// running is a role that was started.
type running interface {
	Failed() <-chan error
	Stop() error
}

// stay waits until the role is told to stop or a part of it fails.
func stay(ctx context.Context, r running, log *slog.Logger) error {
	var err error
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-r.Failed():
		log.Error("a part ended; stopping", "err", err)
	}
	return errors.Join(err, r.Stop())
}

// upgrading reads the flags of a command that may change the ledger's schema.
func upgrading(env *environment, fs *flag.FlagSet, get func() (config.Config, error), args []string) (config.Config, *slog.Logger, error) {
	bare := fs.Bool("migrate-without-backup", false, "change the ledger's schema without a copy first, because you have one")
	if err := parse(fs, args); err != nil {
		return config.Config{}, nil, err
	}
	cfg, log, err := prepare(env, get)
	cfg.Hub.NoUpgradeCopy = cfg.Hub.NoUpgradeCopy || *bare
	return cfg, log, err
}

func prepare(env *environment, get func() (config.Config, error)) (config.Config, *slog.Logger, error) {
	cfg, err := get()
	if err != nil {
		return cfg, nil, err
	}
	log, err := oplog.New(env.err, cfg.Log.Level, cfg.Log.Format)
	return cfg, log, err
}

func up(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "up")
	cfg, log, err := upgrading(env, fs, get, args)
	if err != nil {
		return err
	}
	all, err := app.StartAll(ctx, cfg, log)
	if err != nil {
		return err
	}
	if err := greet(ctx, env, all.Hub); err != nil {
		return errors.Join(err, all.Stop())
	}
	fmt.Fprintf(env.out, "  resolvers 解決器  %s\n  rehearse  訓練    noroshi drill   (in a second terminal)\n\n", strings.Join(all.Resolvers(), ", "))
	return stay(ctx, all, log)
}

// greet prints where to go.
func greet(ctx context.Context, env *environment, h *app.Hub) error {
	link, err := h.Link(ctx)
	if err != nil {
		return err
	}
	_, enrol, bus := h.Addresses()
	fmt.Fprintf(env.out, "\n  狼煙 Noroshi %s\n\n  sign in   入口    %s\n                    (works once, for 15 minutes; 'noroshi hub link' prints another)\n  nodes     ノード  join at %s, connect at %s\n", app.Version(), link, enrol, bus)
	return nil
}

func hub(ctx context.Context, env *environment, args []string) error {
	verbs := map[string]func(context.Context, *environment, []string) error{"enrol": enrol, "link": link, "tokens": tokens, "callout": callout, "issue": issue}
	if len(args) > 0 && verbs[args[0]] != nil {
		return verbs[args[0]](ctx, env, args[1:])
	}
	fs, get := flags(env, "hub")
	cfg, log, err := upgrading(env, fs, get, args)
	if err != nil {
		return err
	}
	h, err := app.StartHub(ctx, cfg, log)
	if err != nil {
		return err
	}
	if err := greet(ctx, env, h); err != nil {
		return errors.Join(err, h.Stop())
	}
	return stay(ctx, h, log)
}

// enrol asks the running hub for a token.
func enrol(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "hub enrol")
	slug := fs.String("org", "", "organisation that the node belongs to, by its short name")
	role := fs.String("role", app.RoleSensor, "sensor or resolver")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	c := operator.Dial(app.Socket(cfg.DataDir))
	id, err := bySlug(ctx, c, *slug)
	if err != nil {
		return err
	}
	var e api.Enrolment
	if err := c.Post(ctx, "/api/v1/enrol", map[string]any{"org": id, "role": *role}, &e); err != nil {
		return err
	}
	fmt.Fprintf(env.out, "%s\n", e.Command)
	fmt.Fprintf(env.err, "The token works once, until %s.\n", e.Expires.Local().Format(time.DateTime))
	return nil
}

func link(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "hub link")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	var out struct{ Link string }
	if err := operator.Dial(app.Socket(cfg.DataDir)).Post(ctx, "/link", nil, &out); err != nil {
		return err
	}
	fmt.Fprintln(env.out, out.Link)
	return nil
}

func sensor(ctx context.Context, env *environment, args []string) error {
	return runNode(ctx, env, app.RoleSensor, args)
}

func resolver(ctx context.Context, env *environment, args []string) error {
	return runNode(ctx, env, app.RoleResolver, args)
}

func runNode(ctx context.Context, env *environment, role string, args []string) error {
	fs, get := flags(env, role)
	token := fs.String("join", "", "one-time token of 'noroshi hub enrol', on the first start")
	host, _ := os.Hostname()
	name := fs.String("name", host, "the node's name, for people")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, log, err := prepare(env, get)
	if err != nil {
		return err
	}
	n, err := app.StartNode(ctx, cfg, role, *token, *name, log)
	if err != nil {
		return err
	}
	log.Info("node is at work", "role", role, "as", n.Describe())
	return stay(ctx, n, log)
}

func printVersion(_ context.Context, env *environment, _ []string) error {
	fmt.Fprintln(env.out, "noroshi", app.Version())
	return nil
}
