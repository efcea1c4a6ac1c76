package version

import (
	"net/url"
	"slices"
	"strings"

	"noroshi/fault"
)

// Range is a range of versions as package URLs, CSAF and CycloneDX write it
// (https://github.com/package-url/vers-spec): vers:npm/>=1.0.0|<1.2.5.
type Range struct {
	Text  string
	rule  Rule
	all   bool
	parts []bound // sorted by version
}

// bound is one comparison.
type bound struct{ op, at string }

// The limits of a range.
const (
	maxRange  = 16 << 10
	maxBounds = 1000
)

// ParseRange reads a range; its scheme says the order of versions.
func ParseRange(s string) (r Range, err error) {
	refuse := func(why string) (Range, error) {
		return Range{}, fault.New(fault.Invalid, "version.range", "%.120q is no range of versions: %s", s, why)
	}
	rest, ok := strings.CutPrefix(s, "vers:")
	scheme, list, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || len(s) > maxRange {
		return refuse("it should be such as vers:npm/>=1.0.0|<1.2.5")
	}
	r = Range{Text: s}
	switch scheme {
	case "semver":
		scheme = "npm"
	case "alpine":
		scheme = "apk"
	}
	if r.rule, ok = Of(scheme); !ok {
		return refuse("the order of versions of " + scheme + " is not known")
	}
	if list == "*" {
		r.all = true
		return r, nil
	}
	for part := range strings.SplitSeq(list, "|") {
		b := bound{op: "="}
		for _, op := range []string{">=", "<=", "!=", ">", "<", "="} {
			if rest, has := strings.CutPrefix(strings.TrimSpace(part), op); has {
				b.op, part = op, rest
				break
			}
		}
		if b.at, err = url.PathUnescape(strings.TrimSpace(part)); err != nil {
			return refuse("a version is not well escaped")
		}
		if scheme == "golang" {
			b.at = strings.TrimPrefix(b.at, "v")
		}
		if !r.rule.Valid(b.at) {
			return refuse("one of its versions is none of " + scheme)
		}
		if r.parts = append(r.parts, b); len(r.parts) > maxBounds {
			return refuse("it has more than 1,000 parts")
		}
	}
	slices.SortStableFunc(r.parts, func(a, b bound) int { return r.rule.Compare(a.at, b.at) })
	if !r.alternate() {
		return refuse("its lower and upper bounds do not take turns")
	}
	return r, nil
}

// Contains says whether a version lies in the range; one that is none does not.
func (r Range) Contains(v string) bool {
	if r.all {
		return true
	}
	if r.rule.Valid == nil || !r.rule.Valid(v) {
		return false
	}
	only := true // what it says is only what is not in it
	for _, b := range r.parts {
		if equal := b.op == "=" || b.op == "!="; equal && r.rule.Compare(v, b.at) == 0 {
			return b.op == "="
		}
		only = only && b.op == "!="
	}
	above := true // the last lower bound; before the first version everything is above
	open := false // no upper bound has come yet
	for _, b := range r.parts {
		c := r.rule.Compare(v, b.at)
		switch b.op {
		case ">":
			above, open = c > 0, true
		case ">=":
			above, open = c >= 0, true
		case "<", "<=":
			if above && (c < 0 || c == 0 && b.op == "<=") {
				return true
			}
			above, open = false, false
		}
	}
	return only || open && above
}

// alternate says whether lower and upper bounds take turns; what else they mean
// is anybody's guess.
func (r Range) alternate() bool {
	last := byte(0)
	for _, b := range r.parts {
		if c := b.op[0]; c == '<' || c == '>' {
			if c == last {
				return false
			}
			last = c
		}
	}
	return true
}
