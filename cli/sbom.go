package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"noroshi/analyse/affected"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/sense/sbom"
)

func runSBOM(_ context.Context, env *environment, args []string) error {
	verbs := map[string]func(*environment, []string) error{
		"scan": scanSBOM, "check": checkSBOM, "who-is-hit": whoIsHit, "quality": qualityOf,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		return fault.New(fault.Invalid, "cli.sbom", "say what: noroshi sbom scan DIR, check FILE…, who-is-hit CVE FILE… or quality FILE…")
	}
	return verbs[args[0]](env, args[1:])
}

// sbomFlags are those of the verbs that match: the advisories and the form of
// the answer.
func sbomFlags(env *environment, verb string) (fs *flag.FlagSet, load func() (*affected.Advisories, error), asJSON *bool) {
	fs = flag.NewFlagSet("noroshi sbom "+verb, flag.ContinueOnError)
	fs.SetOutput(env.err)
	files := fs.String("advisories", "", "files of OSV advisories, parted by commas: all.zip of an ecosystem from osv.dev, a repository's archive, or one advisory in a .json")
	asJSON = fs.Bool("json", false, "answer in JSON")
	return fs, func() (*affected.Advisories, error) {
		if *files == "" {
			return nil, fault.New(fault.Invalid, "cli.sbom", "say against what: --advisories FILE.zip,…")
		}
		a, reports, err := app.Advisories(strings.Split(*files, ","))
		if err != nil {
			return nil, err
		}
		for _, r := range reports {
			sayReport(env.err, r)
		}
		return a, nil
	}, asJSON
}

// sayReport tells what of a file could not be used.
func sayReport(w io.Writer, r affected.Report) {
	fmt.Fprintf(w, "%s: %d advisories, %d withdrawn, %d of what is not judged here, %d refused\n", r.File, r.Advisories, r.Withdrawn, r.Unusable, r.Refused)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "  passed over: %q\n", p)
	}
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

func checkSBOM(env *environment, args []string) error {
	fs, load, asJSON := sbomFlags(env, "check FILE…")
	files, err := anyOrder(fs, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fault.New(fault.Invalid, "cli.sbom", "say of what: noroshi sbom check --advisories FILE.zip SBOM…")
	}
	a, err := load()
	if err != nil {
		return err
	}
	v, err := app.Inventory(files)
	if err != nil {
		return err
	}
	results := v.Check(a)
	if *asJSON {
		return writeJSON(env.out, results)
	}
	return table(env.out, results)
}

func whoIsHit(env *environment, args []string) error {
	fs, load, asJSON := sbomFlags(env, "who-is-hit CVE FILE…")
	rest, err := anyOrder(fs, args)
	if err != nil {
		return err
	}
	if len(rest) < 2 {
		return fault.New(fault.Invalid, "cli.sbom", "say by what and who: noroshi sbom who-is-hit CVE-2026-1234 --advisories FILE.zip SBOM…")
	}
	a, err := load()
	if err != nil {
		return err
	}
	v, err := app.Inventory(rest[1:])
	if err != nil {
		return err
	}
	results, err := v.WhoIsHit(a, rest[0])
	if err != nil {
		return err
	}
	if *asJSON {
		return writeJSON(env.out, results)
	}
	if len(results) == 0 {
		fmt.Fprintf(env.out, "none of %d systems is hit by %s\n", len(rest)-1, rest[0])
		return nil
	}
	return table(env.out, results)
}

func scanSBOM(env *environment, args []string) error {
	fs := flag.NewFlagSet("noroshi sbom scan DIR", flag.ContinueOnError)
	fs.SetOutput(env.err)
	var o app.ScanOptions
	fs.StringVar(&o.Name, "name", "", "what the system is called; otherwise as its go.mod, package-lock.json or folder is")
	fs.StringVar(&o.Version, "version", "", "the version of the system")
	fs.StringVar(&o.Author, "author", "", "who answers for the bill of materials")
	to := fs.String("output", "", "file to write, instead of standard output")
	rest, err := anyOrder(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return fault.New(fault.Invalid, "cli.sbom", "say which folder: noroshi sbom scan DIR")
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

// table prints a line for each weakness of each system, then what could not be
// judged.
func table(out io.Writer, results []affected.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SYSTEM\tWEAKNESS\tCOMPONENT\tFIXED IN\tTHROUGH")
	hits, hit := 0, 0
	unjudged := map[string]int{}
	for _, r := range results {
		for _, h := range r.Hits {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", plain(strings.TrimSpace(r.System+" "+r.Version)), plain(h.Weakness.Weakness), plain(h.Component), plain(orNone(h.Fixed)), plain(through(h.Path())))
		}
		if len(r.Hits) > 0 {
			hit++
		}
		hits += len(r.Hits)
		for why, n := range r.Unjudged {
			unjudged[why] += n
		}
	}
	if err := w.Flush(); err != nil {
		return fault.Wrap("cli.sbom", err)
	}
	fmt.Fprintf(out, "%d of %d systems are hit, %d times\n", hit, len(results), hits)
	for _, why := range affected.Reasons {
		if n := unjudged[why]; n > 0 {
			fmt.Fprintf(out, "%d components were not judged: %s\n", n, why)
		}
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "no fix known"
	}
	return s
}

// through is the path without the component itself.
func through(path []string) string {
	switch len(path) {
	case 0:
		return "not said"
	case 1:
		return "directly"
	}
	return strings.Join(path[:len(path)-1], " → ")
}

// plain takes out what a terminal would obey: names come from anywhere.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
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
