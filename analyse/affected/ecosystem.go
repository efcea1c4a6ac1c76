package affected

import (
	"cmp"
	"strings"

	"noroshi/analyse/affected/version"
	"noroshi/bom"
)

// ecosystems are the names of the OSV schema and the type and namespace that
// package URLs have for them.
var ecosystems = map[string]struct{ typ, namespace string }{
	"Go":          {"golang", ""},
	"PyPI":        {"pypi", ""},
	"npm":         {"npm", ""},
	"crates.io":   {"cargo", ""},
	"RubyGems":    {"gem", ""},
	"Maven":       {"maven", ""},
	"Debian":      {"deb", "debian"},
	"Ubuntu":      {"deb", "ubuntu"},
	"Rocky Linux": {"rpm", "rocky"},
	"AlmaLinux":   {"rpm", "almalinux"},
}

// packageOf returns the key of an advisory's package and the order of its
// versions. A distribution's key ends in its release: what is fixed in one is
// not in the next.
func packageOf(ecosystem, name string) (key string, rule version.Rule, ok bool) {
	family, release, _ := strings.Cut(ecosystem, ":")
	e, ok := ecosystems[family]
	if !ok || name == "" {
		return "", rule, false
	}
	rule, ok = version.Of(e.typ)
	p := bom.PURL{Type: e.typ, Namespace: e.namespace, Name: name}
	switch {
	case e.namespace != "":
		// Ubuntu has releases for those who pay, which say "Pro" first.
		if release == "" || strings.HasPrefix(release, "Pro") {
			return "", rule, false
		}
		release, _, _ = strings.Cut(release, ":")
		return p.Normal().Package() + "@" + release, rule, ok
	case e.typ == "maven":
		p.Namespace, p.Name, _ = strings.Cut(name, ":")
	}
	return p.Normal().Package(), rule, ok
}

// Why a component cannot be judged: the keys of Unjudged.
const (
	NoPURL     = "no package URL"
	NoVersion  = "no version"
	OtherType  = "no advisories are read for this type of package"
	NoRelease  = "the package URL does not say of which release of the distribution it is"
	OddVersion = "not a version of its ecosystem"
)

// Reasons are all of them, in the order in which they are told.
var Reasons = []string{NoPURL, NoVersion, OtherType, NoRelease, OddVersion}

// releaseOf returns where a component stands in the index and in which version,
// or why it cannot be judged.
func releaseOf(c bom.Component) (key, v, why string) {
	p := c.PURL
	if p.Type == "" {
		return "", "", NoPURL
	}
	rule, ok := version.Of(p.Type)
	if !ok {
		return "", "", OtherType
	}
	if v = p.Version; v == "" {
		v = c.Version
	}
	switch p.Type {
	case "golang":
		v = strings.TrimPrefix(v, "v")
		if p.Namespace == "" && (p.Name == "stdlib" || p.Name == "toolchain") {
			v = goRelease(v)
		}
		key = p.Package()
	case "deb", "rpm":
		release := distribution(p)
		if release == "" {
			return "", "", NoRelease
		}
		// Advisories speak of source packages.
		if source := cmp.Or(p.Qualifiers["upstream"], p.Qualifiers["source"]); source != "" && p.Type == "deb" {
			name, sv, has := strings.Cut(source, "@")
			if p.Name = name; has {
				v = sv
			}
		}
		if e := p.Qualifiers["epoch"]; e != "" && v != "" && !strings.Contains(v, ":") {
			v = e + ":" + v
		}
		if p.Namespace == "rocky-linux" || p.Namespace == "rockylinux" {
			p.Namespace = "rocky"
		}
		key = p.Package() + "@" + release
	default:
		key = p.Package()
	}
	if v == "" {
		return key, "", NoVersion
	}
	if !rule.Valid(v) {
		return key, v, OddVersion
	}
	return key, v, ""
}

// codenames are the releases that package URLs may call by name.
var codenames = map[string]string{
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
	"bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04",
}

// distribution is the release in the qualifier distro, such as debian-12: as
// advisories name it, so of Rocky Linux and AlmaLinux without the minor one.
func distribution(p bom.PURL) string {
	d := p.Qualifiers["distro"]
	if r, ok := codenames[d]; ok {
		return r
	}
	i := strings.LastIndexByte(d, '-')
	if i < 0 {
		return ""
	}
	d = d[i+1:]
	if r, ok := codenames[d]; ok {
		return r
	}
	if p.Namespace != "ubuntu" {
		d, _, _ = strings.Cut(d, ".")
	}
	return d
}

// goRelease writes a release of Go, such as go1.22rc1, as SemVer, which is how
// advisories speak of the standard library.
func goRelease(v string) string {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, "go"), " ")
	for _, pre := range []string{"rc", "beta"} {
		if num, n, ok := strings.Cut(v, pre); ok && !strings.Contains(num, "-") {
			if strings.Count(num, ".") == 1 {
				num += ".0"
			}
			return num + "-" + pre + "." + n
		}
	}
	return v
}
