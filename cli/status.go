package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/status"
)

// exitCode ends the command with a code and without words: what was to be said
// was said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// showStatus asks the running hub how it is. Its exit code makes it a health
// check: 0 fine, 1 slow, 2 stuck; 4 as everywhere when no hub answers.
func showStatus(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "status")
	asJSON := fs.Bool("json", false, "print the status as JSON")
	lang := fs.String("lang", "en", "language of the sentences: en or ja")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *lang != "en" && *lang != "ja" {
		return fault.New(fault.Invalid, "cli.status", "--lang takes en or ja")
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	var st status.Status
	if err := operator.Dial(app.Socket(cfg.DataDir)).Get(ctx, "/api/v1/status", &st); err != nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(env.out)
		e.SetIndent("", "  ")
		err = e.Encode(st)
	} else {
		err = writeStatus(env.out, st, *lang)
	}
	if err != nil {
		return fault.Wrap("cli.status", err)
	}
	if st.State > status.Fine {
		return exitCode(st.State)
	}
	return nil
}

var marks = map[status.State]string{status.Fine: "✓", status.Slow: "◆", status.Stuck: "✕"}

// writeStatus writes the line and below it the parts; what is well is said
// shortly.
func writeStatus(w io.Writer, st status.Status, lang string) error {
	in := func(t status.Text) string {
		if lang == "ja" {
			return t.JA
		}
		return t.EN
	}
	fmt.Fprintf(w, "%s %s  %s %s\n", marks[st.State], st.State, in(st.Why), in(st.Do))
	fmt.Fprintf(w, "  hub %s, as of %s, so since %s\n\n", st.Hub, st.AsOf.Local().Format(time.DateTime), st.Since.Local().Format(time.DateTime))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tHOP\tWAITING\tOLDEST\tPER SECOND\t")
	for _, h := range st.Hops {
		waiting, oldest, rate := "–", "–", "–"
		if h.Waiting != nil {
			waiting = fmt.Sprintf("%d %s", *h.Waiting, h.Unit)
		}
		if h.OldestMS != nil {
			oldest = age(*h.OldestMS)
		}
		if h.PerSecond != nil {
			rate = fmt.Sprintf("%.1f", *h.PerSecond)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", marks[h.State], h.Name, waiting, oldest, rate, strings.TrimSpace(in(h.Why)+" "+in(h.Do)))
	}
	fmt.Fprintf(t, "\n\tPART\t\tLAG\t\t\n")
	for _, p := range st.Parts {
		lag := "–"
		if p.LagMS != nil {
			lag = age(*p.LagMS)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\t%s\n", marks[p.State], p.Kind, p.Name, lag, strings.TrimSpace(in(p.Why)+" "+in(p.Do)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n  nodes: %d active, %d away, %d cut off, %d with trouble\n", st.Nodes.Active, st.Nodes.Away, st.Nodes.Cut, st.Nodes.Trouble)
	return err
}

func age(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond).String()
}
