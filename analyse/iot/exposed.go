package iot

import (
	"net/netip"
	"slices"
	"strings"

	"noroshi/action"
	"noroshi/fault"
	"noroshi/service"
)

// exposure is management, or another service, that a device shows to the whole
// Internet. All parts that are said must hold.
type exposure struct {
	ID       string       `yaml:"id"`
	Services []string     `yaml:"services"` // as identified
	Ports    []uint16     `yaml:"ports"`
	Evidence string       `yaml:"evidence"` // a text of this kind …
	Has      string       `yaml:"has"`      // … that has this, in small letters
	Login    bool         `yaml:"login"`    // a page that asks for a password
	Types    []Kind       `yaml:"types"`    // of these devices; none: any device
	Alone    bool         `yaml:"alone"`    // also where no device was recognised
	Level    action.Level `yaml:"level"`
	Title    string       `yaml:"title"`
	TitleJA  string       `yaml:"title_ja"`
	Fix      string       `yaml:"fix"`
	FixJA    string       `yaml:"fix_ja"`
}

func (e *exposure) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "iot.exposed", format, args...).At("rule %s", e.ID)
	}
	switch {
	case len(e.Services) == 0 && len(e.Ports) == 0 && e.Evidence == "" && !e.Login:
		return bad("it says of nothing what it would be")
	case e.Has != strings.ToLower(e.Has) || e.Has != "" && e.Evidence == "":
		return bad("say which text has it, in small letters")
	case e.Level.Rank() == 0:
		return bad("%q is no level (low, medium, high, critical)", e.Level)
	case e.Title == "" || e.TitleJA == "" || e.Fix == "" || e.FixJA == "":
		return bad("say what it is and what to do in both languages")
	}
	for _, k := range e.Types {
		if !slices.Contains(kinds, k) {
			return bad("%q is no type of a device", k)
		}
	}
	return nil
}

// holds tells whether a port of a device shows it; d is nil where none was
// recognised.
func (e *exposure) holds(p service.Port, d *Device) bool {
	if d == nil && !e.Alone || d != nil && len(e.Types) > 0 && !slices.Contains(e.Types, d.Kind) {
		return false
	}
	if len(e.Services) > 0 && !slices.Contains(e.Services, p.Service) || len(e.Ports) > 0 && !slices.Contains(e.Ports, p.Port) {
		return false
	}
	if e.Evidence != "" {
		text, ok := p.Evidence[e.Evidence]
		if !ok || !strings.Contains(strings.ToLower(text), e.Has) {
			return false
		}
	}
	return !e.Login || asksPassword(p)
}

// asksPassword tells of a page with a field for a password, or a server that
// asks for one before it shows any.
func asksPassword(p service.Port) bool {
	return p.HTTP != nil && (p.HTTP.Login || p.Evidence["http_header.wwwauth"] != "")
}

// Judged is one device with what is weak about it. A device without a maker and
// a kind is an address that shows what no device should.
type Judged struct {
	Device     Device            `json:"device"`
	Weaknesses []action.Weakness `json:"weaknesses"`
}

// The checks that are made of a scan.
const (
	CheckFirmware = "firmware"
	CheckExposed  = "exposed"
)

// Judge says what stands at one address and what is weak about it. Management
// belongs to the device that answers at the port, else to the surest one.
func (r *Rules) Judge(host []service.Port) []Judged {
	if len(host) == 0 {
		return nil
	}
	var out []Judged
	for _, d := range r.Devices(host) {
		out = append(out, Judged{Device: d})
	}
	nobody := Judged{Device: Device{Address: host[0].Address, Kind: Other}}
	for i := range out {
		out[i].Weaknesses = r.firmwareOf(out[i].Device)
	}
	for _, p := range host {
		at := slices.IndexFunc(out, func(j Judged) bool { return slices.Contains(j.Device.Places, p.Place()) })
		if at < 0 && len(out) > 0 {
			at = 0
		}
		var d *Device
		if at >= 0 {
			d = &out[at].Device
		}
		i := slices.IndexFunc(r.exposed, func(e *exposure) bool { return e.holds(p, d) })
		if i < 0 {
			continue
		}
		if d == nil {
			nobody.Device.Places = append(nobody.Device.Places, p.Place())
			nobody.Device.Seen = p.FirstSeen
			nobody.Weaknesses = append(nobody.Weaknesses, r.exposed[i].weakness(p, nobody.Device, ""))
			continue
		}
		if !slices.Contains(d.Places, p.Place()) {
			d.Places = append(d.Places, p.Place())
		}
		out[at].Weaknesses = append(out[at].Weaknesses, r.exposed[i].weakness(p, *d, r.Name(*d, "en")))
	}
	if len(nobody.Weaknesses) > 0 {
		out = append(out, nobody)
	}
	return out
}

func asset(address netip.Addr, name string) action.Asset {
	return action.Asset{Kind: "device", Key: address.String(), Name: name, Exposed: true}
}

func (e *exposure) weakness(p service.Port, d Device, name string) action.Weakness {
	said := "it answers at " + p.Place()
	if p.Service != "" {
		said += " as " + p.Service
	}
	return action.Weakness{Asset: asset(p.Address, name), Place: p.Place(), Check: CheckExposed, Name: e.ID, Title: e.Title, TitleJA: e.TitleJA, Fix: e.Fix, FixJA: e.FixJA,
		Level: e.Level, Version: d.Firmware, Evidence: []action.Evidence{{At: p.FirstSeen, Text: said}}}
}

// maxSigns is how many texts are told as evidence, the surest first.
const maxSigns = 5

// firmwareOf lists the known weaknesses of a device's firmware.
func (r *Rules) firmwareOf(d Device) (out []action.Weakness) {
	m := r.makers[d.Maker]
	if m == nil {
		return nil
	}
	for _, f := range m.Vulnerable {
		if !f.hits(d.Model, d.Firmware) {
			continue
		}
		w := action.Weakness{Asset: asset(d.Address, r.Name(d, "en")), Place: d.Places[0], Check: CheckFirmware, Name: f.ID, Title: f.Title, TitleJA: f.TitleJA, Version: d.Firmware,
			Level: f.Level, Threat: action.Threat{KEV: !f.kev.IsZero(), KEVAdded: f.kev}, Reference: f.Reference}
		if d.firmwareAt != "" {
			w.Place = d.firmwareAt
		}
		w.Fix, w.FixJA = f.advice()
		for _, s := range d.Signs[:min(len(d.Signs), maxSigns)] {
			w.Evidence = append(w.Evidence, action.Evidence{At: d.Seen, Text: s.Place + " " + s.On + ": " + short(s.Text, 200), By: s.Rule})
		}
		out = append(out, w)
	}
	return out
}

// advice is what to do about it in one sentence of each language.
func (f *firmware) advice() (en, ja string) {
	switch {
	case f.Fixed != "":
		return "update the firmware to " + f.Fixed + " or newer", "ファームウェアを " + f.Fixed + " 以降に更新してください"
	case f.Last != "":
		return "update the firmware to one newer than " + f.Last, "ファームウェアを " + f.Last + " より新しいものに更新してください"
	}
	return "replace the device: its maker mends this model no longer", "この機種は修正が提供されないため、機器を交換してください"
}
