package systems

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/analyse/affected"
	"noroshi/analyse/vex"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Where a decision about a hit holds.
const (
	InSystem       = "system"       // in the system where it was seen
	InOrganisation = "organisation" // wherever the organisation has the component
	InBelow        = "below"        // and wherever an organisation below it has
)

// For which versions of the component it holds, when it is no range (vers:…).
const (
	AnyVersion  = "any"
	ThisVersion = "version"
)

// Choice is one decision about one hit, as a person makes it who sees the hit.
type Choice struct {
	Org           ident.ID   `json:"org,omitempty" maxLength:"64" doc:"who decides: the organisation of the system, which is meant when nothing is said, or one above it"`
	System        ident.ID   `json:"system" maxLength:"64" doc:"where the hit was seen"`
	Weakness      string     `json:"weakness" minLength:"1" maxLength:"200"`
	PURL          string     `json:"purl,omitempty" maxLength:"4096" doc:"of the component that is hit; may be left out when it is only one"`
	Status        vex.Status `json:"status" enum:"not_affected,affected,fixed,under_investigation"`
	Justification string     `json:"justification,omitempty" maxLength:"100" doc:"of CISA's five"`
	Why           string     `json:"why,omitempty" maxLength:"2000" doc:"in words: why it does not hit, or what is to be done"`
	Where         string     `json:"where" enum:"system,organisation,below"`
	Holds         string     `json:"holds" maxLength:"400" doc:"any, version (until the component is another one), or a range of versions such as vers:npm/>=2.0.0|<3.0.0"`
	Until         time.Time  `json:"until,omitzero" doc:"it is withdrawn then"`
}

// Chosen is a choice on record.
type Chosen struct {
	Choice
	Name      string `json:"name"` // of the system
	Component string `json:"component"`
	Who       string `json:"who,omitempty"` // what the person is called who made it
}

// maxChosen is how many decisions of people an organisation has in force.
const maxChosen = 5000

// Choose makes one decision about a hit. What was decided here about the same
// before is replaced by it.
func (x *Systems) Choose(ctx context.Context, s access.Scope, c Choice) (v VEX, err error) {
	const op = "systems.choose"
	if err := x.d.Closed(); err != nil {
		return v, err
	}
	k, hit, err := x.choosable(s, c)
	if err != nil {
		return v, err
	}
	c.Org, c.Weakness, c.PURL = cmp.Or(c.Org, k.Org), hit.Weakness.Weakness, hit.PURL
	if err := c.check(x.now(), k.Org); err != nil {
		return v, err
	}
	if c.Org != k.Org && (!s.Allows(c.Org) || !slices.Contains(x.d.Tree().Ancestors(k.Org), c.Org)) {
		return v, fault.New(fault.NotFound, op, "there is no organisation %.40q here that is above %s", string(c.Org), k.Name).At("org")
	}
	v = VEX{ID: x.d.Ident.New(ident.VEX), Org: c.Org, State: InForce, At: x.now(), Who: s.Name(), Below: c.Where == InBelow, Choice: &Chosen{c, k.Name, hit.Component, s.Name()}}
	document, err := x.write(v, k, hit)
	if err != nil {
		return v, err
	}
	var read vex.Decisions
	if v.Report, err = read.Read(document); err != nil {
		return v, fault.Wrap(op, err)
	}
	if v.Statements == 0 {
		return v, fault.New(fault.Invalid, op, "that decides nothing: %s", strings.Join(v.Said, "; "))
	}
	err = x.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM vex_document WHERE org = ? AND state = ? AND about <> ''`, string(c.Org), InForce).Scan(&n); err != nil {
			return err
		}
		there, err := readVEX(ctx, tx, `org = ? AND state = ? AND about = ?`, string(c.Org), InForce, c.Weakness)
		if err != nil {
			return err
		}
		if n >= maxChosen {
			return fault.New(fault.Exhausted, op, "an organisation has at most %d decisions of people in force; withdraw some, or hand them in as a file", maxChosen)
		}
		for _, old := range there {
			if old.Choice.covered(c) {
				old.State, old.Reason, old.Who = Replaced, "by "+string(v.ID), s.Name()
				if err := saveVEX(ctx, tx, &old, v.At, Replaced); err != nil {
					return err
				}
			}
		}
		return addVEX(ctx, tx, &v, document)
	})
	return v, x.after(ctx, op, err)
}

// choosable finds the hit that a choice is about.
func (x *Systems) choosable(s access.Scope, c Choice) (known, affected.Hit, error) {
	const op = "systems.choose"
	m := x.mem
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.loaded(); err != nil {
		return known{}, affected.Hit{}, err
	}
	k := m.of[c.System]
	if k == nil || !s.Allows(k.Org) || k.InForce == nil || k.State != Active {
		return known{}, affected.Hit{}, fault.New(fault.NotFound, op, "there is no such system here with a bill of materials").At("system")
	}
	var found []affected.Hit
	for _, h := range m.inventory.Hits(string(k.ID)) {
		if (c.PURL == "" || c.PURL == h.PURL) && slices.ContainsFunc(h.Names, func(n string) bool { return strings.EqualFold(n, c.Weakness) }) {
			found = append(found, h)
		}
	}
	switch {
	case len(found) == 0:
		return known{}, affected.Hit{}, fault.New(fault.NotFound, op, "%.200s hits nothing of that name in %s; what hits it is on its page", c.Weakness, k.Name)
	case len(found) > 1 && c.PURL == "":
		return known{}, affected.Hit{}, fault.New(fault.Invalid, op, "%.200s hits %d components of %s, such as %s; say which", c.Weakness, len(found), k.Name, found[0].PURL).At("purl")
	}
	return *k, found[0], nil
}

// check refuses what the document itself would not.
func (c Choice) check(now time.Time, of ident.ID) error {
	bad := func(field, why string) error {
		return fault.New(fault.Invalid, "systems.choose", "%s", why).At("%s", field)
	}
	switch {
	case !slices.Contains([]string{InSystem, InOrganisation, InBelow}, c.Where):
		return bad("where", "it holds in the system, in the organisation, or below, too")
	case c.Where != InSystem && c.PURL == "":
		return bad("where", "the component has no package URL, so the decision can only be about this system")
	case c.Where != InBelow && c.Org != of:
		return bad("where", "an organisation above the system's decides for those below it, or not at all")
	case c.Holds != AnyVersion && c.Holds != ThisVersion && !strings.HasPrefix(c.Holds, "vers:"):
		return bad("holds", "it holds for any version, for this version, or for a range that begins with vers:")
	case c.Holds != ThisVersion && c.PURL == "" && c.Holds != AnyVersion:
		return bad("holds", "the component has no package URL, so there is no range of its versions")
	case c.Status == vex.NotAffected && c.Justification == "":
		return bad("justification", "choose why it does not hit")
	case c.Status != vex.NotAffected && c.Justification != "":
		return bad("justification", "only what is not affected has a justification")
	case !c.Until.IsZero() && !c.Until.After(now):
		return bad("until", "that moment has passed")
	case !sound(c.Why, maxReason):
		return bad("why", "it is longer than 2,000 bytes, or holds what is no text")
	}
	return nil
}

// write makes the document of OpenVEX that a choice is: what others read is what
// is decided by.
func (x *Systems) write(v VEX, k known, hit affected.Hit) ([]byte, error) {
	c := v.Choice
	o, _ := x.d.Tree().Get(v.Org)
	d := vex.Document{ID: "urn:noroshi:" + string(v.ID), Author: o.Name, At: v.At}
	st := vex.Statement{Weakness: hit.Names, Status: c.Status, Justification: c.Justification, At: v.At}
	if st.Why = c.Why; c.Status == vex.Affected {
		st.Why, st.Action = "", c.Why
	}
	if st.Product.PURL = hit.Package(); c.Holds != ThisVersion {
		st.Product.PURL.Version, st.Product.PURL.Qualifiers, st.Product.PURL.Subpath = "", nil, ""
		if c.Holds != AnyVersion {
			st.Product.Range = c.Holds
		}
	}
	if c.Where == InSystem {
		d.System = vex.Product{PURL: k.purl, Name: k.Name}
		d.System.PURL.Version = ""
		if st.Product.PURL.Type == "" && c.Holds == ThisVersion {
			d.System.Version, d.System.PURL.Version = k.InForce.Version, k.InForce.Version
		}
	}
	d.Statements = []vex.Statement{st}
	var out bytes.Buffer
	err := vex.Write(&out, "openvex", d)
	return out.Bytes(), fault.Wrap("systems.choose", err)
}

// covered tells whether a later choice says all that this one was about.
func (c *Chosen) covered(by Choice) bool {
	if c.Weakness != by.Weakness || c.Where != by.Where || c.Where == InSystem && c.System != by.System {
		return false
	}
	if by.Holds == AnyVersion {
		return bareText(c.PURL) == bareText(by.PURL)
	}
	return c.Holds == by.Holds && (c.Holds == ThisVersion && c.PURL == by.PURL || c.Holds != ThisVersion && bareText(c.PURL) == bareText(by.PURL))
}

// bareText is bare of a package URL that was written before; "" stays "".
func bareText(s string) string {
	p, err := bom.ParsePURL(s)
	if err != nil {
		return ""
	}
	return bare(p)
}

// expire withdraws what has come to its end.
func (x *Systems) expire(ctx context.Context) error {
	now := x.now()
	var list []VEX
	err := x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		list, err = readVEX(ctx, q, `until > 0 AND until <= ? AND state = 'in_force' LIMIT 500`, ledger.Micros(now))
		return err
	})
	if err != nil || len(list) == 0 {
		return err
	}
	return x.d.DB.Write(ctx, "hub:systems", func(tx *ledger.Tx) error {
		list, err := readVEX(ctx, tx, `until > 0 AND until <= ? AND state = 'in_force' LIMIT 500`, ledger.Micros(now))
		for i := range list {
			if err != nil {
				return err
			}
			list[i].State, list[i].Who = Expired, ""
			err = saveVEX(ctx, tx, &list[i], now, Expired)
		}
		return err
	})
}
