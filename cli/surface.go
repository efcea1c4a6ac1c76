package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"noroshi/content"
	"noroshi/fault"
	"noroshi/sense/surface"
	"noroshi/sense/surface/identify"
	"noroshi/sense/surface/recog"
	"noroshi/service"
)

// surfaceCommand looks from outside at what a scope allows.
func surfaceCommand(ctx context.Context, env *environment, args []string) error {
	if len(args) == 0 {
		return fault.New(fault.Invalid, "cli.surface", "say what: scan or check")
	}
	switch args[0] {
	case "scan":
		return surfaceScan(ctx, env, args[1:])
	case "check":
		return surfaceCheck(env, args[1:])
	}
	return fault.New(fault.Invalid, "cli.surface", "%q is not scan or check", args[0])
}

func surfaceScan(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "surface scan")
	file := fs.String("scope", "", "what the owner has authorised (YAML; docs/surface.md)")
	iface := fs.String("interface", "", "interface by which probes leave; the route's when left out")
	mode := fs.String("mode", string(surface.Auto), "syn (needs CAP_NET_RAW and a router before the targets), connect, or auto: what is possible")
	dir := fs.String("recog", "", "folder with fingerprints in recog's XML form")
	plain := fs.Bool("ports-only", false, "do not ask open ports what they are")
	wait := fs.Duration("wait", 3*time.Second, "how long to wait for late answers")
	logFile := fs.String("log", "", "file that accounts for runs; surface-runs.jsonl in the data folder when left out")
	roots := rootsFlag(fs)
	names := fs.String("names", "", "file of names by which addresses are known, as /etc/hosts is: their certificates are asked for")
	resume := fs.String("resume", "", "go on with this run, which ended before it was done")
	if err := parse(fs, args); err != nil {
		return err
	}
	switch m := surface.Mode(*mode); {
	case *file == "":
		return fault.New(fault.Invalid, "cli.surface", "say what may be scanned: --scope FILE")
	case m != surface.Auto && m != surface.SYN && m != surface.Connect:
		return fault.New(fault.Invalid, "cli.surface", "--mode takes auto, syn or connect")
	case *wait < 0 || *wait > time.Minute:
		return fault.New(fault.Invalid, "cli.surface", "--wait takes up to 1m")
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	scope, err := surface.Load(*file)
	if err != nil {
		return err
	}
	engine, err := newEngine(*plain, *dir, scope.Contact)
	if err != nil {
		return err
	}
	if engine != nil {
		if engine.Roots, err = trustedRoots(*roots); err != nil {
			return err
		}
		if engine.Names, err = knownNames(*names); err != nil {
			return err
		}
	}
	if *logFile == "" {
		*logFile = filepath.Join(cfg.DataDir, "surface-runs.jsonl")
	}
	account, from, err := surface.OpenLog(*logFile, scope, *resume)
	if err != nil {
		return err
	}
	return scanAndTell(ctx, env, scope, account, surface.Options{Interface: *iface, Mode: surface.Mode(*mode), Identify: engine, Wait: *wait, From: from})
}

// newEngine makes what asks open ports; nil asks none.
func newEngine(none bool, dir, contact string) (*identify.Engine, error) {
	if none {
		return nil, nil
	}
	folders := []fs.FS{content.Fingerprints()}
	if dir != "" {
		folders = append(folders, os.DirFS(dir)) // Ours are few and exact; they come first.
	}
	db, err := recog.Load(folders...)
	if err != nil {
		return nil, err
	}
	pages, err := identify.Pages(strings.NewReader(content.Pages))
	if err != nil {
		return nil, err
	}
	return &identify.Engine{Contact: contact, Fingerprints: db, Pages: pages}, nil
}

// scanAndTell runs the scan: a line of JSON for each open port on standard
// output, and at the end one with the summary.
func scanAndTell(ctx context.Context, env *environment, scope *surface.Scope, account *surface.RunLog, o surface.Options) error {
	out := bufio.NewWriter(env.out)
	lines := json.NewEncoder(out)
	var failed error
	o.Found = func(p service.Port) {
		if failed == nil {
			failed = lines.Encode(p)
		}
		if failed == nil && o.Identify != nil {
			failed = out.Flush() // Ports come slowly then, and somebody may be watching.
		}
	}
	account.Account(&o)
	summary, err := surface.Scan(ctx, scope, o)
	if lerr := account.End(summary); err == nil {
		err = lerr
	}
	if err != nil {
		return err
	}
	if failed == nil {
		failed = lines.Encode(struct {
			Run     string          `json:"run"`
			Summary surface.Summary `json:"summary"`
		}{string(account.Run()), summary})
	}
	if failed == nil {
		failed = out.Flush()
	}
	if failed != nil {
		return fault.Wrap("cli.surface", failed)
	}
	if summary.Ended != "done" {
		fmt.Fprintf(env.err, "the run ended early (%s); 'noroshi surface scan --scope … --resume %s' goes on with it\n", summary.Ended, account.Run())
		return exitCode(1)
	}
	return nil
}

func surfaceCheck(env *environment, args []string) error {
	fs, _ := flags(env, "surface check")
	file := fs.String("scope", "", "what the owner has authorised (YAML; docs/surface.md)")
	lang := fs.String("lang", "en", "language of the sentences: en or ja")
	at := fs.String("at", "", "for when to ask, such as 2027-01-31T02:00:00+09:00; now when left out")
	if err := parseUpTo(fs, args, 1); err != nil {
		return err
	}
	target := fs.Arg(0)
	if *lang != "en" && *lang != "ja" {
		return fault.New(fault.Invalid, "cli.surface", "--lang takes en or ja")
	}
	if *file == "" {
		return fault.New(fault.Invalid, "cli.surface", "say which scope: --scope FILE")
	}
	when := time.Now()
	if *at != "" {
		var err error
		if when, err = time.Parse(time.RFC3339, *at); err != nil {
			return fault.As(fault.Invalid, "cli.surface", err, "%q is no time; write 2027-01-31T02:00:00+09:00", *at)
		}
	}
	scope, err := surface.Load(*file)
	if err != nil {
		return err
	}
	if target == "" {
		fmt.Fprintf(env.out, "the scope of %s is sound: %d targets, %s\n", scope.Owner, scope.Targets(), scope.Digest())
		fmt.Fprintf(env.out, "its token, for a proof by dns or page: %s\n", scope.Token())
		return nil
	}
	to, err := surface.ParseTarget(target)
	if err != nil {
		return err
	}
	why := surface.NewGate(scope).Explain(when, to)
	fmt.Fprintf(env.out, "%s: %s\n", to, why.Text(*lang))
	if why != surface.Allowed {
		return exitCode(fault.ExitCode(fault.New(fault.Denied, "cli.surface", "%s", why)))
	}
	return nil
}
