package cli

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"noroshi/analyse/systems"
	"noroshi/api/operator"
	"noroshi/fault"
)

const opAdvisory = "cli.advisory"

func runAdvisory(ctx context.Context, env *environment, args []string) error {
	verbs := map[string]func(context.Context, *actionCommand, []string) error{"list": listFeeds, "load": loadFeed, "accept": acceptFeed}
	if len(args) == 0 || verbs[args[0]] == nil {
		return fault.New(fault.Invalid, opAdvisory, "say what: noroshi advisory list, load FILE or accept FEED")
	}
	return verbs[args[0]](ctx, asking(env, "advisory "+args[0]), args[1:])
}

// feeds asks for all pages of the feeds.
func feeds(ctx context.Context, hub operator.Client) (list []systems.Feed, err error) {
	for cursor := ""; ; {
		var p systems.FeedPage
		if err := hub.Get(ctx, "/api/v1/advisories?limit=500&cursor="+url.QueryEscape(cursor), &p); err != nil {
			return nil, err
		}
		list = append(list, p.Items...)
		if cursor = p.Next; cursor == "" {
			return list, nil
		}
	}
}

func listFeeds(ctx context.Context, c *actionCommand, args []string) error {
	hub, err := c.hub(ctx, args)
	if err != nil {
		return err
	}
	list, err := feeds(ctx, hub)
	if err != nil {
		return err
	}
	if done, err := c.print(list); done {
		return err
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, c.in("FEED\tADVISORIES\tWITHDRAWN\tNOT JUDGED HERE\tREFUSED\tLOADED", "フィード\t勧告\t取下げ\t対象外\t不正\t読込"))
	for _, f := range list {
		b := f.Believed
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\n", plain(f.Name), b.Advisories, b.Withdrawn, b.Unusable, b.Refused, b.At.Local().Format("2006-01-02 15:04"))
		if f.Waiting != nil {
			fmt.Fprintf(t, c.in("  not believed: %s; 'noroshi advisory accept %s' believes it\n", "  採用していません: %s。noroshi advisory accept %s で採用します\n"), plain(c.in(f.Why, f.WhyJA)), plain(f.Name))
		}
	}
	return fault.Wrap(opAdvisory, t.Flush())
}

func loadFeed(ctx context.Context, c *actionCommand, args []string) error {
	name := c.fs.String("feed", "", "the feed of which the file is the new state; as the file is called when left out")
	rest, err := anyOrder(c.fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return fault.New(fault.Invalid, opAdvisory, "say which file: noroshi advisory load FILE")
	}
	hub, err := c.get(ctx)
	if err != nil {
		return err
	}
	content, err := readUpTo(rest[0], systems.MaxFeed)
	if err != nil {
		return err
	}
	if *name == "" {
		*name = strings.TrimSuffix(filepath.Base(rest[0]), filepath.Ext(rest[0]))
	}
	var f systems.Feed
	if err := hub.Send(ctx, "/api/v1/advisories/"+url.PathEscape(*name), content, &f); err != nil {
		return err
	}
	if done, err := c.print(f); done {
		return err
	}
	l := f.Believed
	if f.Waiting != nil {
		fmt.Fprintf(c.env.err, c.in("%s is kept and not believed: %s\n", "%s は保管しましたが採用していません: %s\n"), plain(f.Name), plain(c.in(f.Why, f.WhyJA)))
		l = f.Waiting
	}
	sayProblems(c.env.err, fmt.Sprintf(c.in("%s: %d advisories, %d withdrawn, %d of what is not judged here, %d refused", "%s: 勧告 %d、取下げ %d、対象外 %d、不正 %d"), plain(f.Name), l.Advisories, l.Withdrawn, l.Unusable, l.Refused), l.Problems)
	return nil
}

func acceptFeed(ctx context.Context, c *actionCommand, args []string) error {
	rest, err := anyOrder(c.fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return fault.New(fault.Invalid, opAdvisory, "say which feed: noroshi advisory accept FEED")
	}
	hub, err := c.get(ctx)
	if err != nil {
		return err
	}
	list, err := feeds(ctx, hub)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.Name != rest[0] {
			continue
		}
		if err := hub.Post(ctx, "/api/v1/advisories/"+url.PathEscape(f.Name)+"/accept", map[string]any{"version": f.Version}, &f); err != nil {
			return err
		}
		return c.said(f, "%s is believed, with %d advisories\n", "%s を採用しました(勧告 %d件)\n", f.Name, f.Believed.Advisories)
	}
	return fault.New(fault.NotFound, opAdvisory, "there is no feed %q; noroshi advisory list shows them", rest[0])
}
