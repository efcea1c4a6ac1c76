package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"noroshi/app"
	"noroshi/fault"
	"noroshi/sense/sbom"
)

func runSBOM(ctx context.Context, env *environment, args []string) error {
	verbs := map[string]func(*environment, []string) error{
		"scan": func(env *environment, args []string) error { return scanSBOM(ctx, env, args) }, "check": checkSBOM, "who-is-hit": whoIsHit, "quality": qualityOf, "vex": exportVEX, "verify": verifySBOM,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		return fault.New(fault.Invalid, "cli.sbom", "say what: noroshi sbom scan DIR|host, check FILE…, who-is-hit CVE FILE…, vex FILE, quality FILE… or verify FILE DIR")
	}
	return verbs[args[0]](env, args[1:])
}

// anyOrder parses flags that may stand before, between and after what else is
// said.
func anyOrder(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			if err == flag.ErrHelp {
				return nil, err
			}
			return nil, fault.New(fault.Invalid, "cli.flags", "%v", err)
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, fs.Arg(0)), fs.Args()[1:]
	}
}

func scanSBOM(ctx context.Context, env *environment, args []string) error {
	c := asking(env, "sbom scan DIR|host")
	fs := c.fs
	var o app.ScanOptions
	fs.StringVar(&o.Name, "name", "", "what the system is called; otherwise as its go.mod, lock file, folder or the machine is")
	fs.StringVar(&o.Version, "version", "", "the version of the system")
	fs.StringVar(&o.Author, "author", "", "who answers for the bill of materials")
	to := fs.String("output", "", "file to write, instead of standard output")
	system := fs.String("system", "", "hand it in at the hub as what this system is made of, by its name or identifier")
	org := fs.String("org", "", "with --system: the organisation whose it is, by its short name; a system that it does not have is added")
	rest, err := anyOrder(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return fault.New(fault.Invalid, "cli.sbom", "say what: noroshi sbom scan DIR, or host for this machine (./host is a folder of that name)")
	}
	o.Now = time.Now()
	var b bytes.Buffer
	notes, err := app.ScanSBOM(rest[0], o, &b)
	for _, n := range notes {
		fmt.Fprintf(env.err, "not read: %s\n", n)
	}
	if err != nil {
		return err
	}
	if *system != "" {
		return c.handIn(ctx, *system, *org, o.Version, b.Bytes())
	}
	if *to != "" {
		if err := os.WriteFile(*to, b.Bytes(), 0o644); err != nil {
			return fault.As(fault.Invalid, "cli.sbom", err, "%v", err)
		}
		return nil
	}
	_, err = env.out.Write(b.Bytes())
	return fault.Wrap("cli.sbom", err)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return fault.Wrap("cli.sbom", e.Encode(v))
}

func qualityOf(env *environment, args []string) error {
	fs := flag.NewFlagSet("noroshi sbom quality FILE…", flag.ContinueOnError)
	fs.SetOutput(env.err)
	asJSON := fs.Bool("json", false, "answer in JSON")
	files, err := anyOrder(fs, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fault.New(fault.Invalid, "cli.sbom", "say of what: noroshi sbom quality SBOM…")
	}
	type judged struct {
		File   string `json:"file"`
		Format string `json:"format"`
		sbom.Quality
	}
	var all []judged
	for _, f := range files {
		s, err := sbom.ReadFile(f)
		if err != nil {
			return err
		}
		all = append(all, judged{f, s.Format, sbom.Judge(s)})
	}
	if *asJSON {
		return writeJSON(env.out, all)
	}
	for _, j := range all {
		fmt.Fprintf(env.out, "%s (%s): %d of 100\n", j.File, plain(j.Format), j.Score)
		for _, e := range j.Elements {
			fmt.Fprintf(env.out, "  %-13s %3.0f %%  %s\n", e.Name, 100*e.Share, plain(e.Why))
		}
	}
	return nil
}
