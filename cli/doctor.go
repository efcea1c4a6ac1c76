package cli

import (
	"context"
	"fmt"

	"noroshi/fault"
	"noroshi/internal/probe"
)

func doctor(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "doctor")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	bad := 0
	for _, r := range probe.Run(ctx, cfg.DataDir, append([]string{cfg.Hub.Console, cfg.Hub.Enrol, cfg.Hub.Bus}, cfg.Resolver.Listen...)) {
		mark := "ok  "
		if !r.OK {
			mark = "——  "
			bad++
		}
		fmt.Fprintf(env.out, "%s%-24s %s\n", mark, r.Name, r.Detail)
		if !r.OK && r.Advice != "" {
			fmt.Fprintf(env.out, "    %-24s → %s\n", "", r.Advice)
		}
	}
	if bad > 0 {
		fmt.Fprintf(env.out, "\n%d things are missing here; what works without them, works.\n", bad)
	}
	return fault.Wrap("cli.doctor", ctx.Err())
}
