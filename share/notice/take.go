package notice

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Report is what a survey of devices hands in.
type Report struct {
	Survey  action.Survey `json:"survey"`
	Devices []Device      `json:"devices" maxItems:"20000"`
	// Until is when the authority to look there ends: until then an owner may ask
	// for another look.
	Until time.Time `json:"until"`
}

// Outcome is what a survey changed.
type Outcome struct {
	New      int `json:"new"`
	Seen     int `json:"seen"` // of notices that were there
	Fixed    int `json:"fixed"`
	Silent   int `json:"silent"`   // not seen, and no answer that would prove it
	Unrouted int `json:"unrouted"` // weaknesses at addresses that no provider declares here
}

// MaxWeak is how many weaknesses, and devices, one survey may hold.
const MaxWeak = 20_000

// Bounds of a report.
const (
	maxName   = 200
	ahead     = 5 * time.Minute     // how far a scanner's clock may be ahead
	linkLife  = 90 * 24 * time.Hour // of an owner's link, from when it was last seen
	maxSilent = 2                   // surveys in a row without an answer, after which it is taken as closed, …
	silentGap = 6 * time.Hour       // … this far apart, as for actions
	quiet     = 7 * 24 * time.Hour  // without a sign of infection, while watched
	portion   = 200                 // notices in one transaction
)

const opTake = "notice.take"

// Sector is that of providers.
const Sector = "telecom"

// Take makes and refreshes notices of what a survey saw, and closes those that it
// looked at and did not see. It reaches only the providers of the scope, and tells
// nobody whether there are others. A survey that is handed in again changes
// nothing.
func (n *Notices) Take(ctx context.Context, s access.Scope, r Report) (Outcome, error) {
	if err := n.check(s, &r); err != nil {
		return Outcome{}, err
	}
	t := &taking{n: n, r: &r, scope: s, at: r.Survey.Ended, look: r.Survey.Coverage.Looker(), seen: map[place]bool{}}
	t.route()
	if err := t.tell(ctx); err != nil {
		return Outcome{}, err
	}
	drafts := t.drafts()
	for part := range slices.Chunk(drafts, portion) {
		if err := t.write(ctx, func(tx *ledger.Tx) error { return t.meet(ctx, tx, part) }); err != nil {
			return Outcome{}, err
		}
	}
	for _, isp := range t.isps {
		if err := t.rest(ctx, isp); err != nil {
			return Outcome{}, err
		}
	}
	return t.out, nil
}

func (n *Notices) check(s access.Scope, r *Report) error {
	v := &r.Survey
	bad := func(place, format string, args ...any) error {
		return fault.New(fault.Invalid, opTake, format, args...).At("%s", place)
	}
	_, err := ident.Parse(ident.Survey, string(v.ID))
	switch {
	case err != nil:
		return bad("survey.id", "%s", fault.PublicOf(err))
	case !s.Allows(v.Org):
		return fault.New(fault.NotFound, opTake, "there is no such organisation here").At("survey.org")
	case v.Source != action.ByIoT:
		return bad("survey.source", "notices are made of surveys of devices (iot)")
	case v.Realm == label.RealmUnknown:
		return bad("survey.realm", "say whether it is real or an exercise")
	case v.Began.IsZero() || v.Ended.Before(v.Began) || v.Ended.After(n.now().Add(ahead)):
		return bad("survey.ended", "a survey begins, and ends after that and not later than now")
	case len(v.Weaknesses) > MaxWeak || len(r.Devices) > MaxWeak:
		return fault.New(fault.TooLarge, opTake, "a survey holds at most %d weaknesses and devices; hand in several", MaxWeak)
	}
	v.Began, v.Ended = v.Began.UTC().Truncate(time.Microsecond), v.Ended.UTC().Truncate(time.Microsecond)
	for i, w := range v.Weaknesses {
		if _, err := netip.ParseAddr(w.Asset.Key); err != nil || w.Place == "" || w.Name == "" || w.Level.Rank() == 0 || !slices.Contains(Groups, Group(w.Check)) {
			return bad("survey.weaknesses", "number %d has no address, place, name, level or check (firmware, exposed, infected)", i+1)
		}
	}
	for i, d := range r.Devices {
		if !d.Address.IsValid() {
			return bad("devices", "number %d has no address", i+1)
		}
	}
	return nil
}

// taking is one survey on its way into the ledger.
type taking struct {
	n     *Notices
	r     *Report
	scope access.Scope
	at    time.Time
	look  func(string, action.Asset, string) action.Look
	isps  []provider
	of    bart.Table[ident.ID]

	seen    map[place]bool
	out     Outcome
	changed map[ident.ID]ident.ID // notice → provider
}

type provider struct {
	id       ident.ID
	prefixes []netip.Prefix
}

// route says of each weakness whose it is, and of whose places the survey speaks.
func (t *taking) route() {
	t.r.Survey.Orgs = nil
	for _, o := range t.n.d.Tree().All() {
		if o.Sector != Sector || !t.scope.Allows(o.ID) || len(o.Assets.Prefixes) == 0 {
			continue
		}
		t.isps = append(t.isps, provider{o.ID, o.Assets.Prefixes})
		if c := t.r.Survey.Coverage; o.ID != t.r.Survey.Org && overlap(o.Assets.Prefixes, c.Ranges) > 0 {
			t.r.Survey.Orgs = append(t.r.Survey.Orgs, o.ID)
		}
		for _, p := range o.Assets.Prefixes {
			t.of.Insert(p, o.ID)
		}
	}
	for i := range t.r.Survey.Weaknesses {
		w := &t.r.Survey.Weaknesses[i]
		w.Org = ""
		if a, err := netip.ParseAddr(w.Asset.Key); err == nil {
			w.Org, _ = t.of.Lookup(a.Unmap())
		}
		if w.Org == "" {
			t.out.Unrouted++
		}
	}
}

// drafts groups weaknesses by device and kind: each is a notice as this survey alone
// would make it. Those of one address stand together.
func (t *taking) drafts() (list []*Notice) {
	devices := map[netip.Addr][]Device{}
	for _, d := range t.r.Devices {
		a := d.Address.Unmap()
		devices[a] = append(devices[a], d)
	}
	type slot struct {
		address netip.Addr
		maker   string
		group   Group
	}
	bySlot := map[slot]*Notice{}
	v := &t.r.Survey
	for _, w := range v.Weaknesses {
		if w.Org == "" {
			continue
		}
		a, _ := netip.ParseAddr(w.Asset.Key) // It was checked.
		a = a.Unmap()
		dev := deviceAt(devices[a], a, w)
		k := slot{a, dev.Maker, Group(w.Check)}
		d := bySlot[k]
		if d == nil {
			d = &Notice{Org: w.Org, Realm: v.Realm, Group: Group(w.Check), Device: dev, FirstSeen: t.at, LastSeen: t.at, LastLooked: t.at, Survey: v.ID, Basis: clip(v.Basis, 1000), Until: t.r.Until.UTC().Truncate(time.Microsecond)}
			bySlot[k] = d
			list = append(list, d)
		}
		weak := Weak{Place: clip(w.Place, 40), Name: clip(w.Name, maxName), Level: w.Level, KEV: w.Threat.KEV, Title: clip(w.Title, 500), TitleJA: clip(w.TitleJA, 500), Fix: clip(w.Fix, 500), FixJA: clip(w.FixJA, 500), Reference: link(w.Reference), Seen: t.at}
		if !slices.ContainsFunc(d.Weak, weak.same) {
			d.Weak = append(d.Weak, weak)
		}
		t.seen[place{a, d.Group, weak.Place, weak.Name}] = true
	}
	slices.SortStableFunc(list, func(a, b *Notice) int { return a.Device.Address.Compare(b.Device.Address) })
	return list
}

// place is one weakness of an address, whichever device it is taken for.
type place struct {
	address    netip.Addr
	group      Group
	port, name string
}

func (w Weak) same(x Weak) bool { return w.Place == x.Place && w.Name == x.Name }

// deviceAt is the device that a weakness is of: the one that answers there, else
// the first at the address.
func deviceAt(list []Device, a netip.Addr, w action.Weakness) Device {
	d := Device{Address: a, Kind: "other", Name: w.Asset.Name}
	if len(list) > 0 && w.Check != string(Infected) { // Who of several is infected, nobody sees from outside.
		d = list[0]
		for _, x := range list {
			// A maker's firmware may be read at any of its places, so its name tells, too.
			if slices.Contains(x.Places, w.Place) && (w.Asset.Name == "" || x.Name == w.Asset.Name) {
				d = x
				break
			}
		}
	}
	d.Address, d.Kind, d.Maker, d.Name, d.NameJA, d.Firmware = a, clip(d.Kind, 40), clip(d.Maker, 80), clip(d.Name, maxName), clip(d.NameJA, maxName), clip(d.Firmware, 100)
	for i := range d.Rules {
		d.Rules[i] = clip(d.Rules[i], 80)
	}
	d.Places = nil // They would tell of more than this notice does.
	return d
}

// link keeps an address to read more, when it is one that a person may follow.
func link(s string) string {
	if s = clip(s, 300); len(s) > 8 && s[:8] == "https://" {
		return s
	}
	return ""
}

func (t *taking) write(ctx context.Context, fn func(tx *ledger.Tx) error) error {
	was := t.out
	err := t.n.d.DB.Write(ctx, t.scope.Actor(), func(tx *ledger.Tx) error {
		t.out, t.changed = was, map[ident.ID]ident.ID{}
		return fn(tx)
	})
	if err != nil {
		return fault.Wrap(opTake, err)
	}
	for id, org := range t.changed {
		t.n.OnChange(id, org)
	}
	return nil
}

// meet makes or refreshes the notices of some drafts.
func (t *taking) meet(ctx context.Context, tx *ledger.Tx, part []*Notice) error {
	var addresses []string
	for _, d := range part {
		addresses = append(addresses, d.Device.Address.String())
	}
	orgs, args := ledger.In(t.scope.Orgs())
	in, more := ledger.In(addresses)
	list, err := query(ctx, tx, ` WHERE org IN `+orgs+` AND address IN `+in+` AND realm = ? ORDER BY made_at, id`, append(append(args, more...), t.r.Survey.Realm.String())...)
	if err != nil {
		return err
	}
	met := map[ident.ID]bool{}
	for _, d := range part {
		x, known := find(list, met, *d)
		if known {
			met[x.ID] = true
		}
		if err := t.meetOne(ctx, tx, *d, x, known); err != nil {
			return err
		}
	}
	return nil
}

// find is the notice that a draft is: a live one of the same device, else a live
// one that tells of the same weakness, because a device may be taken for another
// one when it says less than the last time, else the last that ended.
func find(list []Notice, met map[ident.ID]bool, d Notice) (x Notice, known bool) {
	best := 0
	for _, y := range list {
		if y.Org != d.Org || y.Group != d.Group || y.Device.Address != d.Device.Address || met[y.ID] {
			continue
		}
		score := 0
		if y.Device.Maker == d.Device.Maker {
			score = 2
		} else if slices.ContainsFunc(y.Weak, func(w Weak) bool { return slices.ContainsFunc(d.Weak, w.same) }) {
			score = 1
		}
		if score > 0 && y.State != Fixed {
			score += 2
		}
		if score > 0 && score >= best {
			x, known, best = y, true, score
		}
	}
	return x, known
}

func (t *taking) meetOne(ctx context.Context, tx *ledger.Tx, d, x Notice, known bool) error {
	switch {
	case known && t.at.Before(x.LastLooked):
		return nil // Something newer is known.
	case known && x.State == Fixed && !t.at.After(x.EndedAt):
		return nil
	case known && x.State != Fixed:
		again := x.LastSeen.Equal(t.at)
		t.refresh(&x, d)
		t.out.Seen++
		if again {
			return nil
		}
		event := ""
		asked, err := t.answer(ctx, tx, x.ID, outcomeStill)
		if err != nil {
			return err
		}
		if asked {
			x.State, x.CheckedAt, x.Version, event = Checked, t.at, x.Version+1, "checked"
		}
		if err := update(ctx, tx, x, event); err != nil {
			return err
		}
		t.changed[x.ID] = x.Org
		return t.mark(ctx, tx, x)
	}
	d.ID, d.State, d.MadeAt, d.Version, d.By = t.n.d.Ident.New(ident.Notice), Made, t.n.now(), 1, t.scope.Actor()
	d.LinkUntil = d.MadeAt.Add(linkLife)
	if known {
		d.Before = x.ID
	}
	t.out.New++
	t.changed[d.ID] = d.Org
	if err := insert(ctx, tx, d); err != nil {
		return err
	}
	return t.mark(ctx, tx, d)
}

// refresh puts what was seen now over what was known. What the survey looked at
// and did not see goes; of what it did not look at, it says nothing.
func (t *taking) refresh(x *Notice, d Notice) {
	for _, w := range x.Weak {
		if !slices.ContainsFunc(d.Weak, w.same) && t.looked(*x, w) != action.Judged {
			d.Weak = append(d.Weak, w)
		}
	}
	x.Weak, x.LastSeen, x.LastLooked, x.Silent, x.silentAt, x.Survey = d.Weak, t.at, t.at, 0, time.Time{}, d.Survey
	x.Basis, x.Until, x.LinkUntil = d.Basis, d.Until, t.n.now().Add(linkLife)
	if d.Device.Confidence >= x.Device.Confidence || d.Device.Maker == x.Device.Maker {
		x.Device = d.Device
	}
}

func (t *taking) looked(x Notice, w Weak) action.Look {
	return t.look(string(x.Group), action.Asset{Kind: "device", Key: x.Device.Address.String()}, w.Place)
}

// mark notes the day on which it was seen, and the rules that say so.
func (t *taking) mark(ctx context.Context, tx *ledger.Tx, x Notice) error {
	if _, err := tx.Exec(ctx, `INSERT INTO notice_seen (notice, day, org) VALUES (?,?,?) ON CONFLICT DO NOTHING`, x.ID, t.n.day(t.at), x.Org); err != nil {
		return err
	}
	rules := slices.Clone(x.Device.Rules)
	for _, w := range x.Weak {
		rules = append(rules, w.Name)
	}
	for _, r := range rules {
		if _, err := tx.Exec(ctx, `INSERT INTO notice_rule (notice, rule, org) VALUES (?,?,?) ON CONFLICT DO NOTHING`, x.ID, r, x.Org); err != nil {
			return err
		}
	}
	return nil
}
