package notice

import (
	"context"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Figures are those of one month, of one provider or of all that the reader sees.
// Each is counted anew from the ledger.
type Figures struct {
	Org       ident.ID `json:"org,omitempty"` // "" of all
	Surveyed  int64    `json:"surveyed"`      // addresses that the widest survey looked at
	Answered  int64    `json:"answered"`      // addresses with devices, of the survey that met most
	Found     int64    `json:"found"`         // notices of what was seen in the month
	Infected  int64    `json:"infected"`      // of them, by kind
	Firmware  int64    `json:"firmware"`
	Exposed   int64    `json:"exposed"`
	PerDay    int64    `json:"infected_per_day_max"`
	Notified  int64    `json:"notified"` // sent to the provider in the month
	Handed    int64    `json:"handed"`
	Lost      int64    `json:"unreachable"` // of those sent in the month
	Fixed     int64    `json:"fixed"`       // ended in the month
	BySilence int64    `json:"fixed_by_silence"`
	// FixedOfNotified is the share of those sent in the month that are fixed by now,
	// 0 to 1, and 0 where none was sent.
	FixedOfNotified float64 `json:"fixed_of_notified"`

	notifiedFixed int64
}

// Month is the figures of a month.
type Month struct {
	Month string    `json:"month"`
	All   Figures   `json:"all"`
	Each  []Figures `json:"providers"`
}

// Figures counts a month, such as 2026-11, of one realm. Of all are the sums of
// the providers', but for days, whose highest is of all together.
func (n *Notices) Figures(ctx context.Context, s access.Scope, month string, realm label.Realm) (Month, error) {
	const op = "notice.figures"
	from, err := time.ParseInLocation("2006-01", month, n.d.Zone)
	if err != nil || from.Year() < 2000 {
		return Month{}, fault.New(fault.Invalid, op, "%q is no month; write 2026-11", clip(month, 20))
	}
	c := &counting{from: from.Format(time.DateOnly), to: from.AddDate(0, 1, 0).Format(time.DateOnly), us: []any{ledger.Micros(from), ledger.Micros(from.AddDate(0, 1, 0))}, realm: realm.String(), each: map[ident.ID]*Figures{}}
	r := Month{Month: month, Each: []Figures{}}
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		c.q, r.All, r.Each = q, Figures{}, []Figures{}
		return c.count(ctx, s, &r)
	})
	return r, fault.Wrap(op, err)
}

// counting is one month on its way.
type counting struct {
	q        ledger.Queryer
	from, to string // days
	us       []any  // moments
	realm    string
	in       string
	orgs     []any
	each     map[ident.ID]*Figures
}

func (c *counting) of(o ident.ID) *Figures {
	if c.each[o] == nil {
		c.each[o] = &Figures{Org: o}
	}
	return c.each[o]
}

func (c *counting) count(ctx context.Context, s access.Scope, r *Month) error {
	c.each = map[ident.ID]*Figures{}
	c.in, c.orgs = ledger.In(s.Orgs())
	days := append([]any{c.from, c.to, c.realm}, c.orgs...)
	moments := append([]any{c.us[0], c.us[1], c.realm}, c.orgs...)
	perDay := map[string]int64{}
	var o ident.ID
	var text string
	var k, m int64
	for _, step := range []struct {
		query string
		args  []any
		into  []any
		note  func()
	}{
		{`SELECT org, MAX(addresses), MAX(answered) FROM notice_survey WHERE day >= ? AND day < ? AND realm = ? AND org IN ` + c.in + ` GROUP BY org`,
			days, []any{&o, &k, &m}, func() { c.of(o).Surveyed, c.of(o).Answered = k, m }},
		{`SELECT n.org, n.grp, COUNT(DISTINCT n.id) FROM notice_seen d JOIN notice n ON n.id = d.notice WHERE d.day >= ? AND d.day < ? AND n.realm = ? AND d.org IN ` + c.in + ` GROUP BY n.org, n.grp`,
			days, []any{&o, &text, &k}, func() { c.of(o).add(Group(text), k) }},
		{`SELECT n.org, d.day, COUNT(*) FROM notice_seen d JOIN notice n ON n.id = d.notice WHERE d.day >= ? AND d.day < ? AND n.realm = ? AND n.grp = 'infected' AND d.org IN ` + c.in + ` GROUP BY n.org, d.day`,
			days, []any{&o, &text, &k}, func() { c.of(o).PerDay = max(c.of(o).PerDay, k); perDay[text] += k }},
		{`SELECT org, state, COUNT(*) FROM notice WHERE sent_at >= ? AND sent_at < ? AND realm = ? AND org IN ` + c.in + ` GROUP BY org, state`,
			moments, []any{&o, &text, &k}, func() { c.of(o).notified(State(text), k) }},
		{`SELECT org, COUNT(*) FROM notice WHERE handed_at >= ? AND handed_at < ? AND realm = ? AND org IN ` + c.in + ` GROUP BY org`,
			moments, []any{&o, &k}, func() { c.of(o).Handed = k }},
		{`SELECT org, proof, COUNT(*) FROM notice WHERE ended_at >= ? AND ended_at < ? AND realm = ? AND org IN ` + c.in + ` GROUP BY org, proof`,
			moments, []any{&o, &text, &k}, func() {
				c.of(o).Fixed += k
				if text == bySilence {
					c.of(o).BySilence = k
				}
			}},
	} {
		rows, err := c.q.Query(ctx, step.query, step.args...)
		err = ledger.Each(rows, err, func(sc func(...any) error) error {
			err := sc(step.into...)
			if err == nil {
				step.note()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, org := range s.Orgs() {
		if f := c.each[org]; f != nil {
			f.share()
			r.Each = append(r.Each, *f)
			r.All.sum(*f)
		}
	}
	for _, k := range perDay {
		r.All.PerDay = max(r.All.PerDay, k)
	}
	r.All.share()
	return nil
}

func (f *Figures) add(g Group, k int64) {
	f.Found += k
	switch g {
	case Infected:
		f.Infected += k
	case Firmware:
		f.Firmware += k
	case Exposed:
		f.Exposed += k
	}
}

func (f *Figures) notified(st State, k int64) {
	f.Notified += k
	switch st {
	case Fixed:
		f.notifiedFixed += k
	case Unreachable:
		f.Lost += k
	}
}

func (f *Figures) share() {
	if f.Notified > 0 {
		f.FixedOfNotified = float64(f.notifiedFixed) / float64(f.Notified)
	}
}

func (f *Figures) sum(x Figures) {
	f.Surveyed += x.Surveyed
	f.Answered += x.Answered
	f.Found += x.Found
	f.Infected += x.Infected
	f.Firmware += x.Firmware
	f.Exposed += x.Exposed
	f.Notified += x.Notified
	f.Handed += x.Handed
	f.Lost += x.Lost
	f.Fixed += x.Fixed
	f.BySilence += x.BySilence
	f.notifiedFixed += x.notifiedFixed
}
