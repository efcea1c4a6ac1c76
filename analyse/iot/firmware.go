package iot

import (
	"cmp"
	"regexp"
	"strings"
	"sync"
	"time"

	"noroshi/action"
	"noroshi/fault"
)

// firmware is a known weakness of a maker's devices. Below Fixed, or up to Last,
// a version is weak; with neither, every version is, and the device is to be
// replaced. From says where the weakness began.
type firmware struct {
	ID        string       `yaml:"id"`
	Models    string       `yaml:"models"` // a pattern for the whole model
	From      string       `yaml:"from"`
	Fixed     string       `yaml:"fixed"`
	Last      string       `yaml:"last"`
	Level     action.Level `yaml:"level"`
	KEV       string       `yaml:"kev"` // the day on which it was listed as exploited
	Title     string       `yaml:"title"`
	TitleJA   string       `yaml:"title_ja"`
	Reference string       `yaml:"reference"`

	models func() *regexp.Regexp
	kev    time.Time
}

var weaknessID = regexp.MustCompile(`^(CVE-\d{4}-\d{4,7}|end-of-support-[a-z0-9-]+)$`)

func (f *firmware) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "iot.firmware", format, args...).At("weakness %s", f.ID)
	}
	whole := "(?i)^(?:" + f.Models + ")$"
	_, err := regexp.Compile(whole)
	switch {
	case !weaknessID.MatchString(f.ID):
		return bad("it is named by its CVE, or end-of-support-MODEL")
	case f.Models == "" || len(whole) > maxPattern || err != nil:
		return bad("the models are a pattern of at most %d bytes", maxPattern)
	case f.Fixed != "" && f.Last != "":
		return bad("say the first version that is mended or the last that is not, not both")
	case f.Level.Rank() == 0:
		return bad("%q is no level (low, medium, high, critical)", f.Level)
	case f.Title == "" || f.TitleJA == "" || !strings.HasPrefix(f.Reference, "https://"):
		return bad("say what it is in both languages, and where that is written")
	}
	for _, v := range []string{f.From, f.Fixed, f.Last} {
		if v != "" && len(numbers(v)) == 0 {
			return bad("%q is no version", v)
		}
	}
	if f.KEV != "" {
		if f.kev, err = time.Parse(time.DateOnly, f.KEV); err != nil {
			return bad("kev is a day, such as 2021-12-01")
		}
	}
	f.models = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(whole) })
	return nil
}

// hits tells whether a device has the weakness. Where versions decide and none
// was said, nobody knows, and it does not.
func (f *firmware) hits(model, version string) bool {
	if model == "" || !f.models().MatchString(model) {
		return false
	}
	if f.Fixed == "" && f.Last == "" {
		return true
	}
	v := numbers(version)
	if len(v) == 0 || f.From != "" && order(v, numbers(f.From)) < 0 {
		return false
	}
	if f.Fixed != "" {
		return order(v, numbers(f.Fixed)) < 0
	}
	return order(v, numbers(f.Last)) <= 0
}

var digits = regexp.MustCompile(`[0-9]{1,9}|[A-Za-z]`)

// numbers are the parts of a firmware's version: its numbers, and a letter that
// follows the first of them (1.04b12) as a number of its own. What stands before
// the first number (Ver., Rev., V) tells nothing.
func numbers(version string) (out []int) {
	at := strings.IndexAny(version, "0123456789")
	if at < 0 {
		return nil
	}
	for _, part := range digits.FindAllString(version[at:], 16) {
		n := 0
		for _, c := range []byte(strings.ToLower(part)) {
			if c >= 'a' {
				n = -1 - int('z'-c) // a letter comes before every number
			} else {
				n = 10*n + int(c-'0')
			}
		}
		out = append(out, n)
	}
	return out
}

// order compares versions; a part that is missing counts as 0, so 1.2 is 1.2.0.
func order(a, b []int) int {
	for i := range max(len(a), len(b)) {
		var x, y int
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}
