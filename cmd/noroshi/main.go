// Command noroshi is the whole platform in one program; its subcommands are its
// roles and tools.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"noroshi/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
