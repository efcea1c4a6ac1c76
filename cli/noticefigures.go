package cli

import (
	"context"
	"fmt"
	"net/url"
	"text/tabwriter"

	"noroshi/api"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/share/notice"
)

// sendNotices marks what waits for a provider as sent, until nothing waits.
func sendNotices(ctx context.Context, c *noticeCommand, args []string) error {
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	id, err := bySlug(ctx, hub, *c.slug)
	if err != nil {
		return err
	}
	n := 0
	for {
		var list api.Items[notice.Notice]
		if err := hub.Post(ctx, "/api/v1/notices/send", map[string]any{"org": id, "realm": *c.realm}, &list); err != nil {
			return err
		}
		if n += len(list.Items); len(list.Items) == 0 {
			break
		}
	}
	fmt.Fprintf(c.env.out, c.in("%d notices are marked as sent to %s; 'noroshi notice export --org %s --state sent' writes the table for it\n", "%d 件を %s に送付済みとしました。'noroshi notice export --org %s --state sent' で送付用の表を出力できます\n"), n, *c.slug, *c.slug)
	return nil
}

func exportNotices(ctx context.Context, c *noticeCommand, args []string) error {
	hub, q, err := c.choice(ctx, args)
	if err != nil {
		return err
	}
	var table []byte
	if err := hub.Get(ctx, "/api/v1/notices/export.csv?"+q.Encode(), &table); err != nil {
		return err
	}
	_, err = c.env.out.Write(table)
	return fault.Wrap(opNotice, err)
}

func noticeFigures(ctx context.Context, c *noticeCommand, args []string) error {
	month := c.fs.String("month", "", "such as 2026-11; this month when left out")
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	var m notice.Month
	if err := hub.Get(ctx, "/api/v1/notices/figures?"+url.Values{"month": {*month}, "realm": {*c.realm}}.Encode(), &m); err != nil {
		return err
	}
	if done, err := c.print(m); done {
		return err
	}
	list, err := organisations(ctx, hub)
	if err != nil {
		return err
	}
	slugs := map[ident.ID]string{"": c.in("all", "合計")}
	for _, o := range list {
		slugs[o.ID] = o.Slug
	}
	w := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, m.Month+c.in("\tSURVEYED\tFOUND\tINFECTED\tMAX A DAY\tFIRMWARE\tEXPOSED\tNOTIFIED\tHANDED\tUNREACHABLE\tFIXED\tBY SILENCE\tOF NOTIFIED", "\t調査\t発見\t感染\t1日最大\tファームウェア\t公開\t通知\t引渡し\t不達\t解消\t無応答\t通知の解消率"))
	for _, f := range append(m.Each, m.All) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f %%\n", slugs[f.Org], f.Surveyed, f.Found, f.Infected, f.PerDay, f.Firmware, f.Exposed, f.Notified, f.Handed, f.Lost, f.Fixed, f.BySilence, 100*f.FixedOfNotified)
	}
	return fault.Wrap(opNotice, w.Flush())
}

func noticeRules(ctx context.Context, c *noticeCommand, args []string) error {
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	var list api.Items[notice.Rule]
	if err := hub.Get(ctx, "/api/v1/notices/rules", &list); err != nil {
		return err
	}
	if done, err := c.print(list); done {
		return err
	}
	w := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.in("RULE\tNOTICES\tUSEFUL\tWRONG DEVICE\tWRONG OWNER\tALREADY FIXED\tOTHER\tWRONG", "規則\t通知\t有用\t機器違い\t所有者違い\t対応済み\tその他\t誤りの割合"))
	for _, r := range list.Items {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f %%\n", plain(r.Rule), r.Notices, r.Said[notice.Useful], r.Said[notice.WrongDevice], r.Said[notice.WrongOwner], r.Said[notice.AlreadyFixed], r.Said[notice.OtherWords], 100*r.Wrong)
	}
	return fault.Wrap(opNotice, w.Flush())
}
