package bom

import (
	"net/url"
	"slices"
	"strings"

	"noroshi/fault"
)

// PURL is a package URL (https://github.com/package-url/purl-spec):
// pkg:type/namespace/name@version?qualifiers#subpath.
type PURL struct {
	Type, Namespace, Name, Version string
	Qualifiers                     map[string]string
	Subpath                        string
}

// maxPURL is the longest package URL that is read.
const maxPURL = 4096

// ParsePURL reads a package URL. Names are normalised as their type demands, so
// that two spellings of one package are one.
func ParsePURL(s string) (p PURL, err error) {
	refuse := func(why string) (PURL, error) {
		return PURL{}, fault.New(fault.Invalid, "bom.purl", "%q is no package URL: %s", clip(s), why)
	}
	if len(s) > maxPURL {
		return refuse("it is longer than 4,096 bytes")
	}
	rest, ok := strings.CutPrefix(s, "pkg:")
	if !ok {
		return refuse("it does not begin with pkg:")
	}
	rest, sub, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	typ, path, ok := strings.Cut(strings.Trim(rest, "/"), "/")
	if !ok || !plainType(typ) {
		return refuse("type and name are missing")
	}
	p.Type = strings.ToLower(typ)
	if strings.HasPrefix(path, "@") && !strings.Contains(path, "/") {
		return refuse("its name is empty")
	}
	// An @ before the last slash is a scope that was not escaped, no version.
	if at := strings.LastIndexByte(path, '@'); at > strings.LastIndexByte(path, '/') && at > 0 {
		if p.Version, ok = unescape(path[at+1:]); !ok {
			return refuse("its version is not well escaped")
		}
		path = path[:at]
	}
	path = strings.Trim(path, "/")
	namespace, name := "", path
	if slash := strings.LastIndexByte(path, '/'); slash >= 0 {
		namespace, name = path[:slash], path[slash+1:]
	}
	var okName, okSpace, okSub bool
	p.Namespace, okSpace = unescape(namespace)
	p.Name, okName = unescape(name)
	p.Subpath, okSub = unescape(strings.Trim(sub, "/"))
	if !okSpace || !okName || !okSub {
		return refuse("it is not well escaped")
	}
	// Only now: of a name of nothing but separators nothing is left.
	if p = p.Normal(); p.Name == "" {
		return refuse("its name is empty")
	}
	if query != "" {
		p.Qualifiers = map[string]string{}
		for _, pair := range strings.Split(query, "&") {
			k, v, _ := strings.Cut(pair, "=")
			if v, ok = unescape(v); !ok {
				return refuse("a qualifier is not well escaped")
			}
			if k != "" && v != "" {
				p.Qualifiers[strings.ToLower(k)] = v
			}
		}
	}
	return p, nil
}

func plainType(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '+' || r == '-')
	})
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	u, err := url.PathUnescape(s)
	return u, err == nil
}

// Normal returns p with its names in the one spelling that its type knows.
func (p PURL) Normal() PURL {
	switch p.Type {
	case "golang", "deb", "github", "bitbucket", "composer":
		p.Namespace, p.Name = strings.ToLower(p.Namespace), strings.ToLower(p.Name)
	case "pypi":
		p.Name = normalPyPI(p.Name)
	case "rpm", "apk":
		p.Namespace = strings.ToLower(p.Namespace)
	}
	return p
}

// normalPyPI is PEP 503: lower case, and one hyphen for each run of separators.
func normalPyPI(s string) string {
	s = strings.ToLower(s)
	if !strings.ContainsAny(s, "_.") && !strings.Contains(s, "--") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '_' || r == '.' }), "-")
}

// FullName is namespace and name.
func (p PURL) FullName() string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// Package is the package without version, qualifiers and subpath: what all its
// versions have in common.
func (p PURL) Package() string { return p.Type + "/" + p.FullName() }

// String returns the canonical form, the empty string for the zero value.
func (p PURL) String() string {
	if p.Type == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("pkg:" + p.Type)
	for part := range strings.SplitSeq(p.FullName(), "/") {
		b.WriteString("/" + escape(part))
	}
	if p.Version != "" {
		b.WriteString("@" + escape(p.Version))
	}
	keys := make([]string, 0, len(p.Qualifiers))
	for k := range p.Qualifiers {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		b.WriteString(map[bool]string{true: "?", false: "&"}[i == 0] + k + "=" + escape(p.Qualifiers[k]))
	}
	if p.Subpath != "" {
		b.WriteByte('#')
		for i, part := range strings.Split(p.Subpath, "/") {
			if i > 0 {
				b.WriteByte('/')
			}
			b.WriteString(escape(part))
		}
	}
	return b.String()
}

// escape leaves what the specification leaves: letters, digits, ".-_~" and the
// colon.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_~:", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

func clip(s string) string {
	if len(s) > 120 {
		return s[:120] + "…"
	}
	return s
}
