package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"noroshi/analyse/iot"
	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/content"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/sense/surface"
	"noroshi/share/notice"
)

// surveyor says who hands in a survey: the organisation named, else the centre.
func (c *noticeCommand) surveyor(ctx context.Context, hub operator.Client) (s app.Surveyor, err error) {
	if s.Realm, err = label.ParseRealm(*c.realm); err != nil {
		return s, err
	}
	s.By, s.Ident = "noroshi notice", ident.System()
	if *c.slug != "" {
		s.Org, err = bySlug(ctx, hub, *c.slug)
		return s, err
	}
	list, err := organisations(ctx, hub)
	for _, o := range list {
		if o.Parent == "" {
			s.Org = o.ID
			return s, err
		}
	}
	return s, fault.As(fault.NotFound, opNotice, err, "say who looks: --org SLUG")
}

func (c *noticeCommand) handIn(ctx context.Context, hub operator.Client, r notice.Report) error {
	var o notice.Outcome
	if err := hub.Post(ctx, "/api/v1/notices/surveys", r, &o); err != nil {
		return err
	}
	if done, err := c.print(o); done {
		return err
	}
	fmt.Fprintf(c.env.out, c.in("%s: %d new notices, %d seen again, %d fixed, %d silent; %d weaknesses at addresses of no provider here\n",
		"%s: 新規の通知 %d、再確認 %d、解消 %d、応答なし %d、該当する事業者のない弱点 %d\n"), r.Survey.Ended.Local().Format("2006-01-02 15:04"), o.New, o.Seen, o.Fixed, o.Silent, o.Unrouted)
	return nil
}

// surveyDevices hands in what a scan of a scope saw.
func surveyDevices(ctx context.Context, c *noticeCommand, args []string) error {
	file := c.fs.String("scope", "", "the scope that was scanned (docs/surface.md)")
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	if *file == "" {
		return fault.New(fault.Invalid, opNotice, "say which scope was scanned: --scope FILE")
	}
	scope, err := surface.Load(*file)
	if err != nil {
		return err
	}
	rules, scan, err := readScan(c.env, c.id)
	if err != nil {
		return err
	}
	s, err := c.surveyor(ctx, hub)
	if err != nil {
		return err
	}
	r, err := s.DeviceReport(rules, scope, scan)
	if err != nil {
		return err
	}
	return c.handIn(ctx, hub, r)
}

// surveyInfected hands in who is infected, a survey for each day.
func surveyInfected(ctx context.Context, c *noticeCommand, args []string) error {
	o := observationFlags(c.fs)
	basis := c.fs.String("basis", "", "on what legal basis it was watched")
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	if *o.ranges == "" {
		return fault.New(fault.Invalid, opNotice, "say whose devices were watched: --ranges 192.0.2.0/24,…")
	}
	w, err := o.watch(c.env)
	if err != nil {
		return err
	}
	watched, err := prefixes(*o.ranges)
	if err != nil {
		return err
	}
	s, err := c.surveyor(ctx, hub)
	if err != nil {
		return err
	}
	reports, err := s.InfectedReports(w, w.Verdicts(true), watched, w.Zone(), *basis)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if err := c.handIn(ctx, hub, r); err != nil {
			return err
		}
	}
	return nil
}

// lookAgain looks at what owners asked for, as far as a scope allows it.
func lookAgain(ctx context.Context, c *noticeCommand, args []string) error {
	file := c.fs.String("scope", "", "what the owner of the ranges has authorised; nothing else is looked at")
	dir := c.fs.String("recog", "", "folder with fingerprints in recog's XML form")
	log := c.fs.String("log", "", "file that accounts for runs; surface-runs.jsonl in the data folder when left out")
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	if *log == "" {
		*log = filepath.Join(c.data, "surface-runs.jsonl")
	}
	var list api.Items[notice.Look]
	if err := hub.Get(ctx, "/api/v1/notices/looks", &list); err != nil {
		return err
	}
	if *file == "" {
		for _, l := range list.Items {
			fmt.Fprintf(c.env.out, "%s  %s  %s  %v\n", l.AskedAt.Local().Format("2006-01-02 15:04"), l.Notice, l.Address, l.Places)
		}
		fmt.Fprintf(c.env.out, c.in("%d looks are asked for; --scope FILE makes them\n", "確認の依頼が %d 件あります。--scope FILE で実行します\n"), len(list.Items))
		return nil
	}
	scope, err := surface.Load(*file)
	if err != nil {
		return err
	}
	engine, err := newEngine(false, *dir, scope.Contact)
	if err != nil {
		return err
	}
	rules, err := iot.Load(content.Devices())
	if err != nil {
		return err
	}
	s, err := c.surveyor(ctx, hub)
	if err != nil {
		return err
	}
	for _, l := range list.Items {
		r, err := s.LookAgain(ctx, rules, scope, *log, engine, l)
		if kind := fault.KindOf(err); kind == fault.Denied || kind == fault.NotFound {
			fmt.Fprintf(c.env.err, "%s is left: %s\n", l.Notice, fault.PublicOf(err))
			continue
		}
		if err != nil {
			return err
		}
		if err := c.handIn(ctx, hub, r); err != nil {
			return err
		}
	}
	return nil
}
