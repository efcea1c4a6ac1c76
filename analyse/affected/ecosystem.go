package affected

import (
	"cmp"
	"strings"

	"noroshi/analyse/affected/version"
	"noroshi/bom"
)

// ecosystems are the names of the OSV schema and the types that package URLs have
// for them, but for distributions (distributions.go).
var ecosystems = map[string]string{
	"Go":             "golang",
	"PyPI":           "pypi",
	"npm":            "npm",
	"crates.io":      "cargo",
	"RubyGems":       "gem",
	"Maven":          "maven",
	"NuGet":          "nuget",
	"Packagist":      "composer",
	"Pub":            "pub",
	"Hex":            "hex",
	"CRAN":           "cran",
	"Hackage":        "hackage",
	"SwiftURL":       "swift",
	"GitHub Actions": "github",
	"Bitnami":        "bitnami",
}

// packageOf returns the key of an advisory's package and the order of its
// versions. A distribution's key ends in its release: what is fixed in one is
// not in the next.
func packageOf(ecosystem, name string) (key string, rule version.Rule, ok bool) {
	family, release, _ := strings.Cut(ecosystem, ":")
	if name == "" {
		return "", rule, false
	}
	if d, known := distributions[family]; known {
		if release, ok = d.published(release); !ok {
			return "", rule, false
		}
		rule, ok = version.Of(d.typ)
		return d.key(name, release), rule, ok
	}
	typ, ok := ecosystems[family]
	if !ok {
		return "", rule, false
	}
	p := bom.PURL{Type: typ, Name: name}
	switch typ {
	case "maven":
		p.Namespace, p.Name, _ = strings.Cut(name, ":")
	case "swift":
		p.Name = strings.TrimSuffix(strings.TrimPrefix(name, "https://"), ".git")
	}
	rule, ok = version.Of(typ)
	return keyOf(p), rule, ok
}

// keyOf is where a package that is not a distribution's stands in the index.
// Package URLs keep the case of names that their ecosystem does not tell apart.
func keyOf(p bom.PURL) string {
	key := p.Normal().Package()
	switch p.Type {
	case "nuget", "swift", "hex", "bitnami":
		key = strings.ToLower(key)
	}
	return key
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
	v = cmp.Or(p.Version, c.Version)
	switch p.Type {
	case "deb", "rpm", "apk":
		if key, v, why = packaged(p, v); why != "" {
			return "", "", why
		}
	default:
		key, v = keyOf(p), plainVersion(p, v)
	}
	if v == "" {
		return key, "", NoVersion
	}
	if p.Type == "github" && strings.Count(v, ".") < 2 {
		return "", v, OddVersion // A tag such as v4 goes on to the newest of its releases: it is none itself.
	}
	if !rule.Valid(v) {
		return key, v, OddVersion
	}
	return key, v, ""
}

// plainVersion writes a version as the advisories of its type do.
func plainVersion(p bom.PURL, v string) string {
	switch p.Type {
	case "golang":
		v = strings.TrimPrefix(v, "v")
		if p.Namespace == "" && (p.Name == "stdlib" || p.Name == "toolchain") {
			return goRelease(v)
		}
	case "bitnami":
		// What would be a pre-release in SemVer is a revision of the package.
		if i := strings.LastIndexByte(v, '-'); i > 0 && strings.Trim(v[i+1:], "0123456789") == "" {
			return v[:i]
		}
	}
	return v
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
