// Package e2e tells the stories of whole use, as scripts: the program is run as
// its users run it.
package e2e

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"noroshi/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"noroshi": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}

func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"until": until,
		"plat":  plat,
		"ports": ports,
		"told":  told,
		"query": query,
		"pick":  pick,
	}})
}

// until runs a command again and again until its output holds a text:
// until TEXT COMMAND ARGS…
func until(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(3 * time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		c := exec.Command(args[1], args[2:]...)
		c.Env, c.Dir = environ(ts), ts.Getenv("WORK")
		out, _ := c.CombinedOutput() // What it says decides, not how it ends.
		if strings.Contains(string(out), args[0]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v never said %q; it says:\n%s", args[1:], args[0], out)
		}
		<-tick.C
	}
}

// plat prepares the environment of a platform on free loopback ports.
func plat(ts *testscript.TestScript, _ bool, _ []string) {
	for _, k := range []string{"HUB_CONSOLE", "HUB_ENROL", "HUB_BUS", "RESOLVER_LISTEN"} {
		ts.Setenv("NOROSHI_"+k, "127.0.0.1:0")
	}
}

func environ(ts *testscript.TestScript) []string {
	env := []string{}
	for _, k := range []string{"PATH", "HOME", "WORK", "TMPDIR", "NOROSHI_HUB_CONSOLE", "NOROSHI_HUB_ENROL", "NOROSHI_HUB_BUS", "NOROSHI_RESOLVER_LISTEN"} {
		if v := ts.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}
