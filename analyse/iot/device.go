package iot

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noroshi/service"
)

// Sign is one text that told of a device.
type Sign struct {
	Rule       string `json:"rule"`
	Place      string `json:"place"`
	On         string `json:"on"` // the kind of text, by recog's names
	Text       string `json:"text"`
	Confidence int    `json:"confidence"`
}

// Device is one device at an address, with what says so. Behind one address there
// may be several: a router, and what it lets through.
type Device struct {
	Address  netip.Addr `json:"address"`
	Kind     Kind       `json:"type"`
	Maker    string     `json:"maker,omitempty"` // the key of a maker; "" when only the kind is known
	Model    string     `json:"model,omitempty"`
	Firmware string     `json:"firmware,omitempty"`
	// Confidence is how sure maker and kind are, 1 to 100.
	Confidence int       `json:"confidence"`
	Signs      []Sign    `json:"signs"`
	Places     []string  `json:"places"` // where it answered
	Seen       time.Time `json:"seen"`

	firmwareAt string // the place that said the firmware
}

// Name is what people call it: maker and model.
func (r *Rules) Name(d Device, lang string) string {
	return strings.TrimSpace(r.MakerName(d.Maker, lang) + " " + d.Model)
}

// found is what one sign said, before it is known of which device.
type found struct {
	Sign
	kind            Kind
	model, firmware string
	at              time.Time
}

// Devices says which devices stand behind the open ports of one address, the
// surest first. Texts of one maker are of one device; a text that tells no maker
// belongs to the maker that the same port told best, else to the only one there is.
func (r *Rules) Devices(host []service.Port) []Device {
	byMaker := map[string][]found{}
	var plain []found
	for _, p := range host {
		told, sure := "", 0
		var here []found
		for _, on := range slices.Sorted(maps.Keys(p.Evidence)) {
			text := p.Evidence[on]
			lower := strings.ToLower(text)
			for _, m := range r.sorted {
				for _, s := range m.Rules {
					if !slices.Contains(s.On, on) {
						continue
					}
					model, version, ok := s.look(text, lower)
					if !ok {
						continue
					}
					f := found{Sign{s.ID, p.Place(), on, text, s.Confidence}, s.Kind, short(model, 60), short(version, 40), p.FirstSeen}
					if m.key == anyMaker {
						here = append(here, f)
						continue
					}
					byMaker[m.key] = append(byMaker[m.key], f)
					if s.Confidence > sure {
						told, sure = m.key, s.Confidence
					}
				}
			}
		}
		if told != "" {
			byMaker[told] = append(byMaker[told], here...)
		} else {
			plain = append(plain, here...)
		}
	}
	if len(byMaker) == 1 {
		for k := range byMaker {
			byMaker[k] = append(byMaker[k], plain...)
		}
	} else if len(plain) > 0 {
		byMaker[""] = plain
	}
	return assemble(host, byMaker)
}

// anyMaker is the key of the rules that tell what a device is and not whose.
const anyMaker = "any"

func assemble(host []service.Port, byMaker map[string][]found) (out []Device) {
	for _, key := range slices.Sorted(maps.Keys(byMaker)) {
		d := join(key, byMaker[key])
		d.Address = host[0].Address
		if d.Confidence >= leastConfidence {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b Device) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return out
}

// leastConfidence is below which nobody is told that a device is there.
const leastConfidence = 40

// join makes one device of what was said of it. The surest text that says a thing
// says it; each further text takes away a part of the doubt that is left.
func join(key string, list []found) Device {
	slices.SortFunc(list, func(a, b found) int {
		return cmp.Or(cmp.Compare(b.Confidence, a.Confidence), strings.Compare(a.Place, b.Place), strings.Compare(a.Rule, b.Rule), strings.Compare(a.On, b.On))
	})
	d := Device{Maker: key}
	doubt := 1.0
	rules := map[string]bool{}
	for _, f := range list {
		if d.Kind == "" || d.Kind == Other {
			d.Kind = f.kind
		}
		if d.Model == "" {
			d.Model = f.model
		}
		if d.Firmware == "" && f.firmware != "" {
			d.Firmware, d.firmwareAt = f.firmware, f.Place
		}
		if f.at.After(d.Seen) {
			d.Seen = f.at
		}
		if !slices.Contains(d.Places, f.Place) {
			d.Places = append(d.Places, f.Place)
		}
		if !rules[f.Rule] { // The same sign at ten ports is one sign.
			doubt *= 1 - float64(f.Confidence)/100
			rules[f.Rule] = true
		}
		d.Signs = append(d.Signs, f.Sign)
	}
	d.Confidence = min(99, int(100*(1-doubt)+0.5))
	if len(list) == 1 || doubt == 0 {
		d.Confidence = min(99, list[0].Confidence)
	}
	slices.Sort(d.Places)
	return d
}
