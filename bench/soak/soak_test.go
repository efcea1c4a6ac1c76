package main

import (
	"context"
	"os"
	"os/signal"
	"reflect"
	"syscall"
	"testing"
	"time"

	"noroshi/cli"
)

// TestMain is also every process of the storm: the program under test, and the
// eyes.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "hub", "resolver":
			os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		case eyeCommand:
			os.Exit(said(runEye(ctx, os.Args[2:], os.Stdin, os.Stdout)))
		}
	}
	stop()
	os.Exit(m.Run())
}

// tester is where the storm tells its blows.
type tester struct{ *testing.T }

func (t tester) Write(b []byte) (int, error) {
	t.Logf("%s", b)
	return len(b), nil
}

// TestAShortStormLosesNothing kills the hub, eyes and resolvers for a while, by
// a plan that is always the same.
func TestAShortStormLosesNothing(t *testing.T) {
	t.Setenv("NOROSHI", os.Args[0])
	const length = 12 * time.Second
	s := &storm{dir: t.TempDir(), orgs: 2, rate: 200, plan: plan(3, length, 2), out: tester{t}}
	r, faults := s.run(t.Context(), length)
	for _, f := range faults {
		t.Error(f)
	}
	if r.Kills < 8 || r.Acknowledged < 500 {
		t.Errorf("the storm was a breeze: %+v", r)
	}
	t.Logf("%+v", r)
}

func TestAPlanIsTheSeedsAlone(t *testing.T) {
	a, b := plan(7, time.Minute, 3), plan(7, time.Minute, 3)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gives two plans")
	}
	if reflect.DeepEqual(a, plan(8, time.Minute, 3)) {
		t.Error("two seeds give one plan")
	}
	seen := map[string]bool{}
	for _, s := range plan(1, time.Hour, 3) {
		seen[s.what] = true
	}
	if len(seen) != 8 {
		t.Errorf("an hour's plan has only %v", seen)
	}
}
