// Package label is the vocabulary of handling marks: TLP 2.0 (who may see),
// PAP (what may be done with it) and the realm (real or exercise). The orders
// are total, several marks combine to the most restrictive, and an unknown mark
// denies: the zero values are the strictest there are. Sources: FIRST TLP 2.0
// (2022); the MISP PAP taxonomy.
package label

import (
	"strings"

	"noroshi/fault"
)

// TLP is a Traffic Light Protocol 2.0 label. A larger value is more open; the
// zero value, TLPUnknown, is shown to nobody.
type TLP uint8

// The TLP labels, strictest first.
const (
	TLPUnknown TLP = iota
	TLPRed
	TLPAmberStrict
	TLPAmber
	TLPGreen
	TLPClear
)

var tlpNames = [...]string{"", "TLP:RED", "TLP:AMBER+STRICT", "TLP:AMBER", "TLP:GREEN", "TLP:CLEAR"}

// String returns the label as the standard writes it, "TLP:AMBER+STRICT".
func (t TLP) String() string {
	if int(t) < len(tlpNames) {
		return tlpNames[t]
	}
	return ""
}

// ParseTLP reads a label with or without "TLP:", in any case. WHITE of TLP 1.0
// reads as CLEAR. Anything else is an error and TLPUnknown.
func ParseTLP(s string) (TLP, error) {
	u := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "TLP:")
	if u == "WHITE" {
		return TLPClear, nil
	}
	for i, n := range tlpNames[1:] {
		if u == strings.TrimPrefix(n, "TLP:") {
			return TLP(i + 1), nil
		}
	}
	return TLPUnknown, fault.New(fault.Invalid, "label.tlp", "%q is not a TLP 2.0 label (RED, AMBER+STRICT, AMBER, GREEN, CLEAR)", s)
}

// PAP is a Permissible Actions Protocol label. A larger value permits more; the
// zero value permits nothing.
type PAP uint8

// The PAP labels, strictest first.
const (
	PAPUnknown PAP = iota
	PAPRed         // passive use on one's own logs only
	PAPAmber       // passive use, also by third parties
	PAPGreen       // active use: blocking is allowed
	PAPClear       // no limit
)

var papNames = [...]string{"", "PAP:RED", "PAP:AMBER", "PAP:GREEN", "PAP:CLEAR"}

// String returns the label, "PAP:GREEN".
func (p PAP) String() string {
	if int(p) < len(papNames) {
		return papNames[p]
	}
	return ""
}

// ParsePAP reads a label with or without "PAP:", in any case.
func ParsePAP(s string) (PAP, error) {
	u := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "PAP:")
	if u == "WHITE" {
		return PAPClear, nil
	}
	for i, n := range papNames[1:] {
		if u == strings.TrimPrefix(n, "PAP:") {
			return PAP(i + 1), nil
		}
	}
	return PAPUnknown, fault.New(fault.Invalid, "label.pap", "%q is not a PAP label (RED, AMBER, GREEN, CLEAR)", s)
}

// MayBlock tells whether enforcement (blocking, sinkholing) is permitted.
func (p PAP) MayBlock() bool { return p == PAPGreen || p == PAPClear }

// Realm separates what is real from what is rehearsed; the two never mix.
type Realm uint8

// The realms. The zero value is neither, and matches nothing.
const (
	RealmUnknown Realm = iota
	Real               // 本番
	Exercise           // 訓練
)

// String returns "real" or "exercise".
func (r Realm) String() string {
	switch r {
	case Real:
		return "real"
	case Exercise:
		return "exercise"
	}
	return ""
}

// ParseRealm reads "real" or "exercise".
func ParseRealm(s string) (Realm, error) {
	switch s {
	case "real":
		return Real, nil
	case "exercise":
		return Exercise, nil
	}
	return RealmUnknown, fault.New(fault.Invalid, "label.realm", "%q is not a realm (real, exercise)", s)
}

// Marking is the marks of one record.
type Marking struct {
	TLP   TLP   `json:"tlp"`
	PAP   PAP   `json:"pap"`
	Realm Realm `json:"realm"`
}

// Intersect returns the marking that satisfies both: the stricter TLP, the
// stricter PAP, and no realm when the realms differ.
func (m Marking) Intersect(o Marking) Marking {
	r := Marking{TLP: min(m.TLP, o.TLP), PAP: min(m.PAP, o.PAP), Realm: m.Realm}
	if m.Realm != o.Realm {
		r.Realm = RealmUnknown
	}
	return r
}

// MarshalText writes the label's name.
func (t TLP) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the label's name; the empty text is TLPUnknown.
func (t *TLP) UnmarshalText(b []byte) (err error) {
	if *t = TLPUnknown; len(b) > 0 {
		*t, err = ParseTLP(string(b))
	}
	return err
}

// MarshalText writes the label's name.
func (p PAP) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the label's name; the empty text is PAPUnknown.
func (p *PAP) UnmarshalText(b []byte) (err error) {
	if *p = PAPUnknown; len(b) > 0 {
		*p, err = ParsePAP(string(b))
	}
	return err
}

// MarshalText writes the realm's name.
func (r Realm) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the realm's name; the empty text is RealmUnknown.
func (r *Realm) UnmarshalText(b []byte) (err error) {
	if *r = RealmUnknown; len(b) > 0 {
		*r, err = ParseRealm(string(b))
	}
	return err
}
