package action

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/ident"
	"noroshi/label"
)

// Source says which eye saw it.
type Source string

// The sources.
const (
	BySurface Source = "surface" // seen from outside
	BySBOM    Source = "sbom"    // matched in a bill of materials
	ByIoT     Source = "iot"     // the survey of devices at ISPs
)

// Sources lists them.
var Sources = []Source{BySurface, BySBOM, ByIoT}

// Survey is one look of a source: what it covered, and what it saw. What it did
// not cover it says nothing about.
type Survey struct {
	ID     ident.ID `json:"id"`
	Source Source   `json:"source"`
	Org    ident.ID `json:"org"`
	// Orgs are others whose places the coverage speaks of too; those of the
	// weaknesses need not be named again.
	Orgs       []ident.ID  `json:"orgs,omitempty"`
	Realm      label.Realm `json:"realm"`
	Began      time.Time   `json:"began"`
	Ended      time.Time   `json:"ended"`
	By         string      `json:"by"`              // who or what looked
	Basis      string      `json:"basis,omitempty"` // the legal basis of an active look
	Coverage   Coverage    `json:"coverage"`
	Weaknesses []Weakness  `json:"weaknesses"`
}

// Outcome is what a survey changed.
type Outcome struct {
	Survey   ident.ID `json:"survey"`
	Repeated bool     `json:"repeated"` // it had been handed in before, and changed nothing now
	New      int      `json:"new"`
	Seen     int      `json:"seen"`     // that were known, whatever became of them
	Reopened int      `json:"reopened"` // of those seen: proved or refuted once, and there again
	Denied   int      `json:"denied"`   // of those seen: claimed to be mended, and still there
	Refuted  int      `json:"refuted"`  // of those seen: decided to be no weakness here
	Proved   int      `json:"proved"`
	Silent   int      `json:"silent"`  // not seen, and no answer that would prove it
	Skipped  int      `json:"skipped"` // older than what is known, or at an organisation out of reach
}

// Look is what a survey learned of one place.
type Look int

// The looks, from nothing to all.
const (
	Uncovered Look = iota // it did not look there, or not for this
	Silent                // it asked and got no answer, which a lost packet is, too
	Judged                // it got an answer, and judged it
)

// Coverage is where a survey really looked, and for what.
type Coverage struct {
	// Checks are the checks that were made; a weakness of another check was not
	// looked for.
	Checks []string `json:"checks"`
	// Assets were looked at whole, by Asset.Key: systems of an SBOM.
	Assets []string `json:"assets,omitempty"`
	// Ranges without Excluded, at Ports, were asked over the network. A port is
	// written as in Weakness.Place: tcp/443.
	Ranges   []netip.Prefix `json:"ranges,omitempty"`
	Excluded []netip.Prefix `json:"excluded,omitempty"`
	Ports    []string       `json:"ports,omitempty"`
	// Answered are the places that answered, as address and port
	// ("192.0.2.1 tcp/443"), open or closed; those that were asked and are not
	// here were silent.
	Answered []string `json:"answered,omitempty"`
	// Unknown are places, written as in Answered, of which the survey says nothing
	// all the same: open ports that did not say enough, or that another survey judges.
	Unknown []string `json:"unknown,omitempty"`
}

// Answer is how a place is written in Coverage.Answered.
func Answer(address netip.Addr, port string) string { return address.String() + " " + port }

// PortPlace is how a port is written in a place.
func PortPlace(transport string, port uint16) string {
	return transport + "/" + strconv.Itoa(int(port))
}

// Looker answers for many weaknesses what a survey learned of their places.
func (c Coverage) Looker() func(check string, asset Asset, place string) Look {
	assets, ports, answered, unknown := set(c.Assets), set(c.Ports), set(c.Answered), set(c.Unknown)
	return func(check string, asset Asset, place string) Look {
		if !slices.Contains(c.Checks, check) {
			return Uncovered
		}
		if assets[asset.Key] {
			return Judged
		}
		address, err := netip.ParseAddr(asset.Key)
		if err != nil || !ports[place] || !within(c.Ranges, address) || within(c.Excluded, address) {
			return Uncovered
		}
		switch at := Answer(address, place); {
		case unknown[at]:
			return Uncovered
		case answered[at]:
			return Judged
		}
		return Silent
	}
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, x := range list {
		m[x] = true
	}
	return m
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Fingerprint names a weakness at a place: no version, title or time is in it,
// so the same weakness is the same record over upgrades and renames.
func Fingerprint(source Source, w Weakness) string {
	h := sha256.New()
	for _, part := range []string{string(source), w.Asset.Kind, w.Asset.Key, w.Place, w.Check, strings.ToUpper(w.Name)} {
		_, _ = h.Write([]byte(strconv.Itoa(len(part)) + ":" + part)) // A hash takes everything.
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
