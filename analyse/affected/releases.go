package affected

import "strings"

// How releases are called: by OSV behind the colon of an ecosystem, and by the
// qualifier distro, which is mostly ID-VERSION_ID of os-release.

// codenames are the releases that package URLs may call by name.
var codenames = map[string]string{
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
	"bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04",
}

func named(release string) (string, bool) { return release, release != "" }

// rolling is of distributions that have one release.
func rolling(release string) (string, bool) { return "", release == "" }

func noRelease(string) string { return "" }

func (d *distribution) rolls() bool {
	_, ok := d.published("")
	return ok
}

// numbered is what stands behind the last hyphen, or the number of a codename.
func numbered(distro string) string {
	d := distro[strings.LastIndexByte(distro, '-')+1:]
	if number, ok := codenames[d]; ok {
		return number
	}
	if d == distro {
		return "" // A name that is not known.
	}
	return d
}

// major is for those that name their advisories without the minor release.
func major(distro string) string {
	d, _, _ := strings.Cut(numbered(distro), ".")
	return d
}

func ubuntuRelease(release string) (string, bool) {
	release, _, _ = strings.Cut(release, ":") // Behind it stands LTS.
	return release, release != "" && release != "Pro"
}

// alpineRelease makes v3.18 of alpine-3.18.4, and of 3.18.4 alone.
func alpineRelease(distro string) string {
	parts := strings.SplitN(strings.TrimPrefix(distro[strings.LastIndexByte(distro, '-')+1:], "v"), ".", 3)
	if len(parts) < 2 || strings.Trim(parts[0], "0123456789") != "" {
		return ""
	}
	minor, _, _ := strings.Cut(parts[1], "_") // 3.21_alpha20240923 is what becomes 3.21.
	return "v" + parts[0] + "." + minor
}

// redHatRelease is the major release of enterprise_linux:9::appstream. Others, such
// as those for longer support, have fixes of their own that nothing in a package
// URL tells apart.
func redHatRelease(cpe string) (string, bool) {
	product, release, _ := strings.Cut(cpe, ":")
	release, _, _ = strings.Cut(release, ":")
	release, _, _ = strings.Cut(release, ".")
	return release, product == "enterprise_linux" && release != ""
}

// suseRelease makes 15.5 of "Linux Enterprise Module for Basesystem 15 SP5", as all
// products of one service pack have the same packages, and micro-5.5 of
// "Linux Enterprise Micro 5.5".
func suseRelease(product string) (string, bool) {
	rest, ok := strings.CutPrefix(product, "Linux Enterprise ")
	words := strings.Fields(rest)
	if micro, is := strings.CutPrefix(rest, "Micro "); is {
		return "micro-" + micro, ok
	}
	for i, w := range words {
		w, _, _ = strings.Cut(w, "-") // 12-LTSS
		if strings.Trim(w, "0123456789") != "" || i == 0 {
			continue
		}
		if i+1 < len(words) {
			if pack, is := strings.CutPrefix(words[i+1], "SP"); is {
				pack, _, _ = strings.Cut(pack, "-")
				return w + "." + pack, ok
			}
		}
		return w, ok
	}
	return "", false
}

func suseInstalled(distro string) string {
	if strings.Contains(distro, "micro") {
		if n := numbered(distro); n != "" {
			return "micro-" + n
		}
		return ""
	}
	return numbered(distro)
}

// openSUSERelease is tumbleweed, or the number of a Leap.
func openSUSERelease(release string) (string, bool) {
	if release == "Tumbleweed" {
		return "tumbleweed", true
	}
	return strings.CutPrefix(release, "Leap ")
}

func openSUSEInstalled(distro string) string {
	if strings.Contains(distro, "tumbleweed") {
		return "tumbleweed"
	}
	return numbered(distro)
}
