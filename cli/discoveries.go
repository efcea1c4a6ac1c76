package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"noroshi/analyse/attribute"
	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/ident"
)

// discoveries shows and judges what walks found at the hub of this machine.
func discoveries(ctx context.Context, env *environment, args []string) error {
	const op = "cli.discoveries"
	if len(args) == 0 {
		return fault.New(fault.Invalid, op, "say what: list, show ID, confirm ID, reject ID or run")
	}
	verb, rest, id := args[0], args[1:], ""
	if byID := verb == "show" || verb == "confirm" || verb == "reject"; byID {
		if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
			return fault.New(fault.Invalid, op, "say which: noroshi discoveries %s ID", verb)
		}
		id, rest = rest[0], rest[1:]
	} else if verb != "list" && verb != "run" {
		return fault.New(fault.Invalid, op, "%q is not list, show, confirm, reject or run", verb)
	}
	fs, get := flags(env, "discoveries "+verb)
	slug := fs.String("org", "", "of this organisation only; run: all that declare something when left out")
	state := fs.String("state", "", "list: candidate, certain, confirmed, rejected; several with commas")
	least := fs.Int("confidence", 0, "list: at least so much, of 100")
	text := fs.String("q", "", "list: a part of the name or address")
	fresh := fs.Bool("new", false, "list: first seen within a week (whole days, UTC)")
	own := fs.Bool("own", false, "list: without names of third parties")
	reason := fs.String("reason", "", "confirm, reject: why")
	lang := fs.String("lang", "en", "language of the reasons: en or ja")
	if err := parse(fs, rest); err != nil {
		return err
	}
	if *lang != "en" && *lang != "ja" {
		return fault.New(fault.Invalid, op, "--lang takes en or ja")
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	c := operator.Dial(app.Socket(cfg.DataDir))
	var org ident.ID
	if *slug != "" {
		if org, err = bySlug(ctx, c, *slug); err != nil {
			return err
		}
	}
	switch verb {
	case "list":
		q := url.Values{"limit": {"500"}, "org": {string(org)}, "state": {*state}, "confidence": {strconv.Itoa(*least)}, "q": {*text}, "new": {strconv.FormatBool(*fresh)}, "own": {strconv.FormatBool(*own)}}
		return listDiscoveries(ctx, env.out, c, q)
	case "run":
		return walkNow(ctx, env.out, c, org)
	case "show":
		return showDiscovery(ctx, env.out, c, id, *lang)
	}
	var d api.DiscoveryDetail
	if err := c.Get(ctx, "/api/v1/discoveries/"+url.PathEscape(id), &d); err != nil {
		return err
	}
	var judged attribute.Discovery
	if err := c.Post(ctx, "/api/v1/discoveries/"+url.PathEscape(id)+"/"+verb, map[string]any{"reason": *reason, "version": d.Discovery.Version}, &judged); err != nil {
		return err
	}
	line(env.out, judged)
	return nil
}

func line(w io.Writer, d attribute.Discovery) {
	fmt.Fprintf(w, "%-30s %-10s %3d  %-40s first seen %s", d.ID, d.State, d.Confidence, d.Asset.Value, d.FirstSeen.Local().Format(time.DateOnly))
	if d.Owner == attribute.Unknown {
		fmt.Fprint(w, "  owner unknown")
	}
	if len(d.Returned) > 0 {
		fmt.Fprintf(w, "  was rejected; new: %v", d.Returned)
	}
	fmt.Fprintln(w)
}

func listDiscoveries(ctx context.Context, w io.Writer, c operator.Client, q url.Values) error {
	for {
		var p api.Page[attribute.Discovery, string]
		if err := c.Get(ctx, "/api/v1/discoveries?"+q.Encode(), &p); err != nil {
			return err
		}
		for _, d := range p.Items {
			line(w, d)
		}
		if p.Next == "" {
			fmt.Fprintf(w, "%d to be looked at, %d certain, %d confirmed, %d rejected; %d are new within a week\n", p.Counts["candidate"], p.Counts["certain"], p.Counts["confirmed"], p.Counts["rejected"], p.Counts["new"])
			return nil
		}
		q.Set("cursor", p.Next)
	}
}

func showDiscovery(ctx context.Context, w io.Writer, c operator.Client, id, lang string) error {
	var d api.DiscoveryDetail
	if err := c.Get(ctx, "/api/v1/discoveries/"+url.PathEscape(id), &d); err != nil {
		return err
	}
	line(w, d.Discovery)
	for _, r := range d.Discovery.Evidence {
		text := r.Text
		if lang == "ja" {
			text = r.TextJA
		}
		weight := fmt.Sprint(r.Share)
		if r.Factor > 0 {
			weight = fmt.Sprint("×", r.Factor)
		}
		fmt.Fprintf(w, "  %5s  %s\n", weight, text)
		for _, e := range r.Facts {
			fmt.Fprintf(w, "         %s  %s  %s  %s  %s\n", e.At.Local().Format(time.DateTime), e.From, e.Asked, e.Via, e.Said)
		}
	}
	if j := d.Discovery.Judgement; j != nil {
		fmt.Fprintf(w, "  %s by %s on %s: %s\n", j.State, j.By, j.At.Local().Format(time.DateTime), j.Reason)
	}
	return nil
}

// walkNow asks for walks and waits for their ends. Whoever does not wait finds
// what came of them in the list.
func walkNow(ctx context.Context, w io.Writer, c operator.Client, org ident.ID) error {
	list, err := organisations(ctx, c)
	if err != nil {
		return err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for _, o := range list {
		if org != "" && o.ID != org || org == "" && len(o.Assets.Domains)+len(o.Assets.Prefixes) == 0 {
			continue
		}
		var asked attribute.Walked
		if err := c.Post(ctx, "/api/v1/discoveries/runs", map[string]any{"org": o.ID}, &asked); err != nil {
			return err
		}
		for asked.Began.Before(asked.Asked) || asked.Ended.Before(asked.Began) {
			select {
			case <-ctx.Done():
				return fault.New(fault.Unavailable, "cli.discoveries", "the walk goes on in the hub; 'noroshi discoveries list' tells what it found")
			case <-tick.C:
			}
			var runs api.Items[attribute.Walked]
			if err := c.Get(ctx, "/api/v1/discoveries/runs", &runs); err != nil {
				return err
			}
			for _, r := range runs.Items {
				if r.Org == o.ID {
					asked = r
				}
			}
		}
		if asked.Error != "" {
			return fault.New(fault.Unavailable, "cli.discoveries", "%s could not be walked: %s", o.Slug, asked.Error)
		}
		fmt.Fprintf(w, "%s: %d found, %d new, %d queries (%s)\n", o.Slug, asked.Summary.Found, asked.New, asked.Summary.Queries, asked.Summary.Ended)
	}
	return nil
}
