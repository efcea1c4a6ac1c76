package cli

import (
	"context"
	"fmt"
	"strings"

	"noroshi/fault"
)

func configure(_ context.Context, env *environment, args []string) error {
	if len(args) == 0 {
		return fault.New(fault.Invalid, "cli.config", "say what: check, dump or explain")
	}
	verb, rest := args[0], args[1:]
	key := ""
	if verb == "explain" && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		key, rest = rest[0], rest[1:]
	}
	fs, get := flags(env, "config "+verb)
	if err := parse(fs, rest); err != nil {
		return err
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	switch verb {
	case "check":
		fmt.Fprintln(env.out, "the configuration is good; data folder", cfg.DataDir)
	case "dump":
		b, err := cfg.Dump()
		if err != nil {
			return err
		}
		_, err = env.out.Write(b)
		return fault.Wrap("cli.config", err)
	case "explain":
		n := 0
		for _, k := range cfg.Keys() {
			if strings.HasPrefix(k.Name, key) {
				n++
				fmt.Fprintf(env.out, "%-28s %s\n%-28s now: %s\n", k.Name, k.Doc, "", k.Value)
			}
		}
		if n == 0 {
			return fault.New(fault.NotFound, "cli.config", "there is no key %q; 'noroshi config explain' lists all", key)
		}
	default:
		return fault.New(fault.Invalid, "cli.config", "%q is not check, dump or explain", verb)
	}
	return nil
}
