package app

import (
	"context"
	"time"

	"noroshi/care"
	"noroshi/org"
)

// caring says in which order the records of an organisation go. First nothing
// more may come from it, then what is on its way is waited for.
func (h *hub) caring() *care.Care {
	none := time.Time{}
	why := func(d care.Deletion) string { return "the organisation left: " + d.Basis }
	steps := []care.Step{
		{Name: "nodes", Run: func(ctx context.Context, d care.Deletion) (int64, error) {
			return h.nodes.CutAll(ctx, d.By, d.Org, why(d))
		}},
		{Name: "people's rights", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.people.Withdraw(ctx, d.By, d.Org) }},
		{Name: "batches on their way", Run: func(ctx context.Context, _ care.Deletion) (int64, error) { return 0, h.settled(ctx) }},
		{Name: "indicators", Run: func(ctx context.Context, d care.Deletion) (int64, error) {
			return h.intel.Leave(ctx, d.By, d.Org, why(d))
		}},
		{Name: "findings", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.findings.Forget(ctx, d.Org, none) }},
		{Name: "systems", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.systems.Forget(ctx, d.Org, none) }},
		{Name: "scans", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.exposure.Leave(ctx, d.Org) }},
		{Name: "actions", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.actions.Forget(ctx, d.Org, none) }},
		{Name: "notices", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.notices.Forget(ctx, d.Org, none) }},
		{Name: "mail", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.mail.Forget(ctx, d.Org, none) }},
		{Name: "events", Run: func(ctx context.Context, d care.Deletion) (int64, error) {
			return 0, h.events.DeleteTenant(ctx, d.Tenant, none)
		}},
		{Name: "passive DNS", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.pdns.ForgetOrg(ctx, d.Org, none) }},
		{Name: "discoveries", Run: func(ctx context.Context, d care.Deletion) (int64, error) {
			return h.discoveries.Forget(ctx, d.Org, none)
		}},
		{Name: "feeds", Run: func(ctx context.Context, d care.Deletion) (int64, error) { return h.push.Leave(ctx, d.Org) }},
		{Name: "quarantine", Run: func(ctx context.Context, d care.Deletion) (int64, error) {
			return h.quarantine.Forget(ctx, d.Org, none)
		}},
	}
	rules := []care.Rule{
		{Name: "events", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return 0, h.events.DeleteTenant(ctx, o.Tenant, before)
		}},
		{Name: "passive DNS", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.pdns.ForgetOrg(ctx, o.ID, before)
		}},
		{Name: "findings", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.findings.Forget(ctx, o.ID, before)
		}},
		{Name: "bills of materials", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.systems.Forget(ctx, o.ID, before)
		}},
		{Name: "actions", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.actions.Forget(ctx, o.ID, before)
		}},
		{Name: "scans", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.exposure.Forget(ctx, o.ID, before)
		}},
		{Name: "notices", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.notices.Forget(ctx, o.ID, before)
		}},
		{Name: "mail", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.mail.Forget(ctx, o.ID, before)
		}},
		{Name: "discoveries", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.discoveries.Forget(ctx, o.ID, before)
		}},
		{Name: "quarantine", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return h.quarantine.Forget(ctx, o.ID, before)
		}},
	}
	return care.New(care.Deps{DB: h.db, Orgs: h.orgs, Now: time.Now, Log: h.log, Steps: steps, Rules: rules})
}
