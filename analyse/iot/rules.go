// Package iot says which devices stand at a scanned address, which of their
// weaknesses are known, and which management they show to the whole Internet. It
// judges what the scanner printed and asks nobody anything: no password is ever
// tried. Its rules are data (content/devices). The command line and the API call
// it; package infected beside it reads what devices send.
package iot

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
)

// Kind is what a device is.
type Kind string

// The kinds of devices.
const (
	Router   Kind = "router"
	Camera   Kind = "camera"
	Recorder Kind = "recorder"
	NAS      Kind = "nas"
	Printer  Kind = "printer"
	Gateway  Kind = "gateway" // of machines to a network: cellular, serial, energy, building
	PLC      Kind = "plc"
	Phone    Kind = "phone"
	Other    Kind = "other"
)

var kinds = []Kind{Router, Camera, Recorder, NAS, Printer, Gateway, PLC, Phone, Other}

// Rules are what is known of makers, of weak firmware and of exposed management.
type Rules struct {
	makers  map[string]*maker
	sorted  []*maker
	exposed []*exposure
}

// file is one file of the folder.
type file struct {
	Makers  map[string]*maker `yaml:"makers"`
	Exposed []*exposure       `yaml:"exposed"`
}

type maker struct {
	key        string
	Name       string      `yaml:"name"`
	NameJA     string      `yaml:"name_ja"`
	Rules      []*sign     `yaml:"rules"`
	Vulnerable []*firmware `yaml:"vulnerable"`
}

// sign is one text that tells of a device. A text is searched for Has before the
// pattern is compiled or run: most texts of the Internet are of no device at all.
type sign struct {
	ID         string    `yaml:"id"`
	Kind       Kind      `yaml:"type"`
	Model      string    `yaml:"model"` // when the text does not say it
	On         []string  `yaml:"on"`    // kinds of evidence
	Has        string    `yaml:"has"`   // in lower case
	Match      string    `yaml:"match"` // groups model and firmware
	Confidence int       `yaml:"confidence"`
	Examples   []example `yaml:"examples"`

	compile func() *regexp.Regexp
}

// example is a text that a rule must know, and what it must say of it.
type example struct {
	Text     string `yaml:"text"`
	Model    string `yaml:"model"`
	Firmware string `yaml:"firmware"`
}

// The limits of a folder of rules.
const (
	maxFile    = 1 << 20
	maxPattern = 1 << 10
)

// Load reads every .yaml file of a folder. What a file says wrong is refused with
// its name.
func Load(dir fs.FS) (*Rules, error) {
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil || len(names) == 0 {
		return nil, fault.As(fault.NotFound, "iot.load", err, "there are no .yaml files of devices")
	}
	r := &Rules{makers: map[string]*maker{}}
	ids := map[string]bool{}
	for _, n := range names {
		if err := r.add(dir, n, ids); err != nil {
			return nil, fault.As(fault.Invalid, "iot.load", err, "%s: %s", path.Base(n), fault.PublicOf(err))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.makers)) {
		r.sorted = append(r.sorted, r.makers[k])
	}
	return r, nil
}

func (r *Rules) add(dir fs.FS, name string, ids map[string]bool) error {
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // It was only read.
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	if len(b) > maxFile {
		return fault.New(fault.TooLarge, "iot.load", "the file is over %d bytes", maxFile)
	}
	x, err := parse(b)
	if err != nil {
		return err
	}
	unique := func(id string) error {
		if !named.MatchString(id) || ids[id] {
			return fault.New(fault.Invalid, "iot.load", "the rule %q has no name of small letters, digits and hyphens, or one that stands twice", id)
		}
		ids[id] = true
		return nil
	}
	for key, m := range x.Makers {
		if m == nil || !named.MatchString(key) || m.Name == "" || m.NameJA == "" || r.makers[key] != nil {
			return fault.New(fault.Invalid, "iot.load", "the maker %q lacks a name in a language, or stands twice", key)
		}
		m.key, r.makers[key] = key, m
		for _, s := range m.Rules {
			if err := errors.Join(unique(s.ID), s.check()); err != nil {
				return err
			}
		}
		for _, v := range m.Vulnerable {
			if err := v.check(); err != nil {
				return err
			}
		}
	}
	for _, e := range x.Exposed {
		if err := errors.Join(unique(e.ID), e.check()); err != nil {
			return err
		}
		r.exposed = append(r.exposed, e)
	}
	return nil
}

// parse reads a file of rules. A key that it does not know is an error.
func parse(b []byte) (*file, error) {
	var x file
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&x); err != nil && err != io.EOF {
		return nil, fault.As(fault.Invalid, "iot.parse", err, "this is no file of devices: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	return &x, nil
}

var named = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,60}$`)

func (s *sign) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "iot.rule", format, args...).At("rule %s", s.ID)
	}
	switch {
	case !slices.Contains(kinds, s.Kind):
		return bad("%q is no type of a device", s.Kind)
	case len(s.On) == 0 || s.Has == "" && s.Match == "" || s.Has != strings.ToLower(s.Has):
		return bad("say on which texts, and what they have in small letters, or a pattern")
	case s.Confidence < 1 || s.Confidence > 100:
		return bad("a confidence is 1 to 100")
	case len(s.Match) > maxPattern:
		return bad("the pattern is over %d bytes", maxPattern)
	}
	if _, err := regexp.Compile(s.Match); err != nil {
		return bad("the pattern cannot be used: %v", err)
	}
	s.compile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s.Match) })
	return nil
}

// look says what a text tells, and whether it tells anything.
func (s *sign) look(text, lower string) (model, version string, ok bool) {
	if !strings.Contains(lower, s.Has) {
		return "", "", false
	}
	model = s.Model
	if s.Match == "" {
		return model, "", true
	}
	re := s.compile()
	m := re.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	for i, name := range re.SubexpNames() {
		switch {
		case name == "model" && m[i] != "":
			model = m[i]
		case name == "firmware":
			version = m[i]
		}
	}
	return model, version, true
}

// MakerName is a maker's name in a language, its key when it is not known here.
func (r *Rules) MakerName(key, lang string) string {
	m := r.makers[key]
	switch {
	case m == nil:
		return key
	case lang == "ja":
		return m.NameJA
	}
	return m.Name
}
