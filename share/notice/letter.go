package notice

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
)

// Two is a text in both languages.
type Two struct {
	EN string `yaml:"en"`
	JA string `yaml:"ja"`
}

// in is the text in a language.
func (t Two) in(lang string) string {
	if lang == "ja" {
		return t.JA
	}
	return t.EN
}

// words is what notices are written with (content/notices).
type words struct {
	Says   map[string]Two          `yaml:"says"`
	Kinds  map[string]Two          `yaml:"kinds"`
	Groups map[Group]advice        `yaml:"groups"`
	Makers map[string]makersAdvice `yaml:"makers"`
}

// advice is what is said of a kind of weakness to the owner of any device.
type advice struct {
	Subject Two   `yaml:"subject"`
	Why     Two   `yaml:"why"`
	Steps   []Two `yaml:"steps"`
}

// makersAdvice is what a maker's devices need.
type makersAdvice struct {
	Support string          `yaml:"support"`
	Steps   map[Group][]Two `yaml:"steps"`
}

// said are the sentences that a letter cannot do without.
var said = []string{"seen", "when", "why", "do", "ask", "ask-provider", "ask-maker", "not", "not-done", "check", "check-how", "unknown-device", "known", "device", "firmware-version", "first", "last", "end"}

const maxWordsFile = 1 << 20

func readWords(dir fs.FS) (*words, error) {
	const op = "notice.words"
	f, err := dir.Open("words.yaml")
	if err != nil {
		return nil, fault.As(fault.NotFound, op, err, "the words of notices are not there: %v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	b, err := io.ReadAll(io.LimitReader(f, maxWordsFile))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	var w words
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&w); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "words.yaml: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	whole := func(place string, list ...Two) error {
		for _, t := range list {
			if t.EN == "" || t.JA == "" {
				return fault.New(fault.Invalid, op, "words.yaml: a language is missing").At("%s", place)
			}
		}
		return nil
	}
	for _, k := range said {
		if err := whole("says."+k, w.Says[k]); err != nil {
			return nil, err
		}
	}
	for k, t := range w.Kinds {
		if err := whole("kinds."+k, t); err != nil {
			return nil, err
		}
	}
	for _, g := range Groups {
		a := w.Groups[g]
		if err := whole("groups."+string(g), append([]Two{a.Subject, a.Why}, a.Steps...)...); err != nil || len(a.Steps) == 0 {
			return nil, fault.As(fault.Invalid, op, err, "words.yaml: groups.%s lacks subject, why or steps in a language", g)
		}
	}
	for k, m := range w.Makers {
		for _, steps := range m.Steps {
			if err := whole("makers."+k, steps...); err != nil {
				return nil, err
			}
		}
		if !strings.HasPrefix(m.Support, "https://") {
			return nil, fault.New(fault.Invalid, op, "words.yaml: support is an address that begins with https://").At("makers.%s", k)
		}
	}
	return &w, nil
}

// Letter is a notice in plain words.
type Letter struct {
	EN Side `json:"en"`
	JA Side `json:"ja"`
}

// Side is a letter in one language.
type Side struct {
	Subject string `json:"subject"`
	Parts   []Part `json:"parts"`
}

// Part is one part of a letter under its heading.
type Part struct {
	Heading string   `json:"heading"`
	Lines   []string `json:"lines"`
	Steps   bool     `json:"steps,omitempty"` // one after the other
}

// Text writes a side as plain text.
func (s Side) Text() string {
	var b strings.Builder
	b.WriteString(s.Subject + "\n")
	for _, p := range s.Parts {
		b.WriteString("\n" + p.Heading + "\n")
		for i, l := range p.Lines {
			mark := "- "
			if p.Steps {
				mark = strconv.Itoa(i+1) + ". "
			}
			b.WriteString(mark + l + "\n")
		}
	}
	return b.String()
}

// letter writes a notice; link is the owner's page, left out when it is read there.
func (n *Notices) letter(x Notice, link string) Letter {
	return Letter{n.side(x, link, "en"), n.side(x, link, "ja")}
}

// DeviceName is what the letter calls a device: its maker's name for it, else what
// it is.
func (n *Notices) deviceName(x Notice, lang string) string {
	kind, ok := n.words.Kinds[x.Device.Kind]
	if !ok {
		kind = n.words.Says["unknown-device"]
	}
	name := x.Device.Name
	if lang == "ja" && x.Device.NameJA != "" {
		name = x.Device.NameJA
	}
	if name == "" {
		return kind.in(lang)
	}
	return kind.in(lang) + " " + name
}

func (n *Notices) side(x Notice, link, lang string) Side {
	say := func(k string, args ...any) string {
		if len(args) == 0 {
			return n.words.Says[k].in(lang)
		}
		return fmt.Sprintf(n.words.Says[k].in(lang), args...)
	}
	at := func(t time.Time) string {
		return t.In(n.d.Zone).Format("2006-01-02 15:04 MST")
	}
	device := n.deviceName(x, lang)
	a, m := n.words.Groups[x.Group], n.words.Makers[x.Device.Maker]
	seen := []string{say("device", device, x.Device.Address)}
	if x.Device.Firmware != "" {
		seen = append(seen, say("firmware-version", x.Device.Firmware))
	}
	var fixes []string
	for _, w := range x.Weak {
		line := Two{w.Title, w.TitleJA}.in(lang) + " (" + w.Place + ", " + w.Name + ")"
		if w.KEV {
			line += " " + say("known")
		}
		seen = append(seen, line)
		if fix := (Two{w.Fix, w.FixJA}).in(lang); fix != "" && !slices.Contains(fixes, fix) && x.Group != Infected {
			fixes = append(fixes, fix)
		}
	}
	steps := fixes
	list := m.Steps[x.Group]
	if len(list) == 0 {
		list = a.Steps
	}
	for _, t := range list {
		steps = append(steps, t.in(lang))
	}
	ask := []string{say("ask-provider")}
	if m.Support != "" {
		ask = append(ask, say("ask-maker", m.Support))
	}
	s := Side{Subject: fmt.Sprintf(a.Subject.in(lang), device), Parts: []Part{
		{Heading: say("seen"), Lines: seen},
		{Heading: say("when"), Lines: []string{say("first", at(x.FirstSeen)), say("last", at(x.LastSeen))}},
		{Heading: say("why"), Lines: []string{a.Why.in(lang)}},
		{Heading: say("do"), Lines: steps, Steps: true},
		{Heading: say("ask"), Lines: ask},
		{Heading: say("not"), Lines: []string{say("not-done")}},
	}}
	if link != "" {
		s.Parts = append(s.Parts, Part{Heading: say("check"), Lines: []string{say("check-how"), link}})
	}
	s.Parts = append(s.Parts, Part{Heading: say("end"), Lines: []string{string(x.ID)}})
	return s
}
