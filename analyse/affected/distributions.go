package affected

import (
	"cmp"
	"strings"

	"noroshi/bom"
)

// distribution is one whose packages OSV knows by release.
type distribution struct {
	typ, namespace string
	// sources is whether its advisories speak of source packages, or else of those
	// that are installed.
	sources bool
	// published reads the release out of the name of an ecosystem, and installed
	// out of the qualifier distro: both give the same word for it.
	published func(string) (string, bool)
	installed func(string) string
}

// distributions are those of the OSV schema, by their names there.
var distributions = map[string]*distribution{
	"Debian": {"deb", "debian", true, named, major},
	// Ubuntu has releases for those who pay, which say "Pro" first.
	"Ubuntu":      {"deb", "ubuntu", true, ubuntuRelease, numbered},
	"Alpine":      {"apk", "alpine", true, named, alpineRelease},
	"Wolfi":       {"apk", "wolfi", true, rolling, noRelease},
	"Chainguard":  {"apk", "chainguard", true, rolling, noRelease},
	"MinimOS":     {"apk", "minimos", true, rolling, noRelease},
	"Red Hat":     {"rpm", "redhat", false, redHatRelease, major},
	"Rocky Linux": {"rpm", "rocky", true, named, major},
	"AlmaLinux":   {"rpm", "almalinux", false, named, major},
	"Mageia":      {"rpm", "mageia", true, named, major},
	"Azure Linux": {"rpm", "azurelinux", true, named, major},
	"SUSE":        {"rpm", "suse", true, suseRelease, suseInstalled},
	"openSUSE":    {"rpm", "opensuse", true, openSUSERelease, openSUSEInstalled},
}

// byNamespace are the distributions by the type and namespace of their package
// URLs, of which generators have several for some.
var byNamespace = func() map[string]*distribution {
	all := map[string]*distribution{}
	for _, d := range distributions {
		all[d.typ+"/"+d.namespace] = d
	}
	for other, name := range map[string]string{
		"rocky-linux": "Rocky Linux", "rockylinux": "Rocky Linux", "alma": "AlmaLinux", "rhel": "Red Hat", "sles": "SUSE", "sles_sap": "SUSE", "sled": "SUSE", "sle-micro": "SUSE", "sl-micro": "SUSE",
		"opensuse-leap": "openSUSE", "opensuse-tumbleweed": "openSUSE",
	} {
		all["rpm/"+other] = distributions[name]
	}
	return all
}()

func (d *distribution) key(name, release string) string {
	key := bom.PURL{Type: d.typ, Namespace: d.namespace, Name: name}.Normal().Package()
	if release == "" {
		return key
	}
	return key + "@" + release
}

// packaged returns where a package of a distribution stands in the index, and its
// whole version.
func packaged(p bom.PURL, v string) (key, whole, why string) {
	d := byNamespace[p.Type+"/"+strings.ToLower(p.Namespace)]
	if d == nil {
		return "", "", OtherType
	}
	release := d.installed(p.Qualifiers["distro"])
	if release == "" && !d.rolls() {
		return "", "", NoRelease
	}
	name := p.Name
	if d.sources {
		name, v = sourceOf(p, v)
	}
	if e := p.Qualifiers["epoch"]; e != "" && v != "" && !strings.Contains(v, ":") {
		v = e + ":" + v
	}
	return d.key(name, release), v, ""
}

// sourceOf is the source package and its version: NAME, NAME@VERSION, or the
// file of an rpm, NAME-VERSION-RELEASE.src.rpm.
func sourceOf(p bom.PURL, v string) (name, version string) {
	source := cmp.Or(p.Qualifiers["upstream"], p.Qualifiers["source"], p.Qualifiers["origin"])
	if source == "" {
		return p.Name, v
	}
	if file, ok := strings.CutSuffix(source, ".src.rpm"); ok {
		for range 2 {
			file = file[:max(strings.LastIndexByte(file, '-'), 0)]
		}
		return cmp.Or(file, p.Name), v
	}
	if name, of, ok := strings.Cut(source, "@"); ok {
		return name, of
	}
	return source, v
}
