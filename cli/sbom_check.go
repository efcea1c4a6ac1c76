package cli

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"noroshi/analyse/affected"
	"noroshi/analyse/feed"
	"noroshi/analyse/ssvc"
	"noroshi/analyse/vex"
	"noroshi/app"
	"noroshi/fault"
)

// matching are the flags of the verbs that match.
type matching struct {
	fs                                      *flag.FlagSet
	advisories, known, exposure, importance string
	remember, lang, vex, nvd                string
	asJSON                                  bool
}

func newMatching(env *environment, verb string) *matching {
	m := &matching{fs: flag.NewFlagSet("noroshi sbom "+verb, flag.ContinueOnError)}
	m.fs.SetOutput(env.err)
	m.fs.StringVar(&m.advisories, "advisories", "", "files of advisories, parted by commas: all.zip of an ecosystem from osv.dev, a repository's archive, or one advisory in a .json")
	m.fs.StringVar(&m.known, "known", "", "files of what is known of attacks, parted by commas: KEV (JSON) and EPSS (CSV, also .gz); adds a priority to each hit")
	m.fs.StringVar(&m.vex, "vex", "", "files of decisions (VEX), parted by commas: OpenVEX, CycloneDX or CSAF; a hit that is decided not to be one is told apart, with the reason")
	m.fs.StringVar(&m.nvd, "nvd", "", "files of NVD (JSON 2.0, also .gz), parted by commas: for components with a CPE of whose package URL nothing is known; of low confidence")
	m.fs.StringVar(&m.exposure, "exposure", "", "whether the systems are reached from the Internet: outside or inside")
	m.fs.StringVar(&m.importance, "importance", "", "how important the systems are: low, medium or high")
	m.fs.StringVar(&m.remember, "remember", "", "file that remembers what feeds had: one that lost more than half since the last time is not believed")
	m.fs.StringVar(&m.lang, "lang", "en", "language of the reasons: en or ja")
	m.fs.BoolVar(&m.asJSON, "json", false, "answer in JSON")
	return m
}

// load reads the systems, and what the flags name.
func (m *matching) load(env *environment, systems []string) (app.Knowledge, error) {
	switch {
	case m.advisories == "" && m.nvd == "":
		return app.Knowledge{}, fault.New(fault.Invalid, "cli.sbom", "say against what: --advisories FILE.zip,…")
	case m.lang != "en" && m.lang != "ja":
		return app.Knowledge{}, fault.New(fault.Invalid, "cli.sbom", "--lang takes en or ja")
	case m.importance != "" && m.importance != "low" && m.importance != "medium" && m.importance != "high":
		return app.Knowledge{}, fault.New(fault.Invalid, "cli.sbom", "--importance takes low, medium or high")
	}
	exposure, ok := map[string]ssvc.Exposure{"": ssvc.NotKnown, "inside": ssvc.Inside, "outside": ssvc.Outside}[m.exposure]
	if !ok {
		return app.Knowledge{}, fault.New(fault.Invalid, "cli.sbom", "--exposure takes outside or inside")
	}
	o := app.KnowledgeFiles{
		Systems: systems, Advisories: list(m.advisories), Known: list(m.known), VEX: list(m.vex), NVD: list(m.nvd), Remember: m.remember,
		Place: affected.Place{Exposure: exposure, Importance: m.importance},
		Say:   func(what string, p feed.Problems) { sayProblems(env.err, what, p) },
	}
	return o.Load()
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// sayProblems tells what of a file could not be used.
func sayProblems(w io.Writer, what string, problems feed.Problems) {
	fmt.Fprintln(w, what)
	for _, p := range problems.Said {
		fmt.Fprintf(w, "  passed over: %q\n", p)
	}
}

func checkSBOM(env *environment, args []string) error {
	m := newMatching(env, "check FILE…")
	files, err := anyOrder(m.fs, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fault.New(fault.Invalid, "cli.sbom", "say of what: noroshi sbom check --advisories FILE.zip SBOM…")
	}
	k, err := m.load(env, files)
	if err != nil {
		return err
	}
	return m.answer(env.out, k.Check())
}

func whoIsHit(env *environment, args []string) error {
	m := newMatching(env, "who-is-hit CVE FILE…")
	rest, err := anyOrder(m.fs, args)
	if err != nil {
		return err
	}
	if len(rest) < 2 {
		return fault.New(fault.Invalid, "cli.sbom", "say by what and who: noroshi sbom who-is-hit CVE-2026-1234 --advisories FILE.zip SBOM…")
	}
	k, err := m.load(env, rest[1:])
	if err != nil {
		return err
	}
	results, err := k.WhoIsHit(rest[0])
	if err != nil {
		return err
	}
	if len(results) == 0 && !m.asJSON {
		fmt.Fprintf(env.out, "none of %d systems is hit by %s\n", len(rest)-1, rest[0])
		return nil
	}
	return m.answer(env.out, results)
}

func (m *matching) answer(out io.Writer, results []affected.Result) error {
	if m.asJSON {
		return writeJSON(out, results)
	}
	return table(out, results, m.lang)
}

// table prints a line for each weakness of each system, the reason of each
// priority, then what could not be judged.
func table(out io.Writer, results []affected.Result, lang string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	weighed := slices.ContainsFunc(results, func(r affected.Result) bool { return len(r.Hits) > 0 && r.Hits[0].Priority != nil })
	title := "SYSTEM\tWEAKNESS\tCOMPONENT\tFIXED IN\tTHROUGH"
	if weighed {
		title += "\tPRIORITY"
	}
	fmt.Fprintln(w, title)
	hits, hit := 0, 0
	var decided []string
	unjudged := map[string]int{}
	for _, r := range results {
		before := hits
		system := plain(strings.TrimSpace(r.System + " " + r.Version))
		for _, h := range r.Hits {
			if h.Decision != nil {
				decided = append(decided, plain(fmt.Sprintf("%s, %s in %s: %s", system, h.Weakness.Weakness, h.Component, decision(*h.Decision))))
			}
			if h.Silent() {
				continue
			}
			hits++
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s%s\n", system, plain(h.Weakness.Weakness), plain(h.Component)+doubt(h), plain(orNone(h.Fixed)), plain(through(h.Path())), priority(h, lang))
		}
		if hits > before {
			hit++
		}
		for why, n := range r.Unjudged {
			unjudged[why] += n
		}
	}
	if err := w.Flush(); err != nil {
		return fault.Wrap("cli.sbom", err)
	}
	fmt.Fprintf(out, "%d of %d systems are hit, %d times\n", hit, len(results), hits)
	for _, d := range decided {
		fmt.Fprintf(out, "decided: %s\n", d)
	}
	for _, why := range affected.Reasons {
		if n := unjudged[why]; n > 0 {
			fmt.Fprintf(out, "%d components were not judged: %s\n", n, why)
		}
	}
	return nil
}

// doubt marks a hit that is said by name only.
func doubt(h affected.Hit) string {
	if h.Confidence == "" {
		return ""
	}
	return " (by its CPE, " + h.Confidence + " confidence)"
}

// priority is the last column, with its reason.
func priority(h affected.Hit, lang string) string {
	switch {
	case h.Priority == nil:
		return ""
	case lang == "ja":
		return "\t" + h.Priority.WhyJA
	}
	return "\t" + h.Priority.Why
}

// decision is what was decided, why, by whom, and who says otherwise.
func decision(d vex.Decision) string {
	said := string(d.Status)
	for _, why := range []string{d.Justification, d.Why, d.Action} {
		if why != "" {
			said += ", " + why
		}
	}
	said += " (" + strings.TrimSpace(d.Author+" "+d.At.UTC().Format(time.DateOnly)) + ")"
	if len(d.Against) > 0 {
		said += "; against it: " + strings.Join(d.Against, "; ")
	}
	return said
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
