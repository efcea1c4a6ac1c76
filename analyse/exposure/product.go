package exposure

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/bom"
	"noroshi/service"
)

// Advisories says which known weaknesses hit a package. Which are believed, and
// how they are kept up to date, is their keeper's.
type Advisories interface {
	// Believed is another number whenever others are believed, and 0 while none is
	// about packages of a type. One that cannot say yet is an error: nothing is
	// judged by what is not read.
	Believed(packageType string) (int64, error)
	// Weak lists what hits a package that is reached from the Internet.
	Weak(p bom.PURL) []Known
}

// Known is one weakness of a package.
type Known struct {
	Name, Summary, Fixed string
	Level                action.Level
	Threat               action.Threat
}

// debian is the type of the packages whose versions are judged.
const debian = "deb"

// version is which release of which product a service said that it is.
type version struct {
	Product string `json:"product"`
	Package string `json:"package_version"`
}

// running is the version that a service said last, and what it has by the
// advisories of when it was judged.
type running struct {
	Said    version           `json:"said,omitzero"`
	Product []action.Weakness `json:"product,omitempty"`
}

// suffix is the release of Debian that a package's version was made for.
var suffix = regexp.MustCompile(`[+~]deb(\d+)u\d+`)

// said is the version that a port says, or said when it was seen before: a server
// that does not say its version any more is not mended by that.
func said(p service.Port, before version, product string) version {
	if p.Package == "" && (p.Product == "" || p.Product == product) {
		return before
	}
	return version{p.Product, p.Package}
}

// products says which known weaknesses a version has. Only the version of a
// distribution's package with its suffix is judged: the suffix tells what was
// mended without a new version, and a version alone proves nothing.
func (st *Store) products(v version, p service.Port, at time.Time) (list []action.Weakness) {
	known, ok := st.rules.products[v.Product]
	release := suffix.FindStringSubmatch(v.Package)
	if !ok || release == nil {
		return nil
	}
	exact := v.Package
	if known.Epoch != "" {
		exact = known.Epoch + ":" + exact
	}
	shown := p.Name()
	if p.Package != v.Package {
		shown += "; before it said " + v.Package
	}
	purl := bom.PURL{Type: debian, Namespace: "debian", Name: known.Package, Version: exact, Qualifiers: map[string]string{"distro": "debian-" + release[1]}}
	for _, k := range st.d.Advisories.Weak(purl) {
		w := action.Weakness{Check: checkProduct, Name: k.Name, Title: clip(k.Name+" in "+v.Product+" "+v.Package, 300), TitleJA: clip(v.Product+" "+v.Package+" の脆弱性 "+k.Name, 600),
			Version: v.Package, Level: k.Level, Threat: k.Threat, Reference: "https://security-tracker.debian.org/tracker/" + url.PathEscape(k.Name),
			Evidence: []action.Evidence{{At: at, Text: strings.Trim(shown+"; "+k.Summary, "; ")}},
			Fix:      "No package of Debian mends it yet; reduce who can reach the service.", FixJA: "修正済みの Debian パッケージはまだありません。接続元を制限してください。"}
		if k.Fixed != "" {
			w.Fix, w.FixJA = "Install "+known.Package+" "+k.Fixed+" or later.", known.Package+" "+k.Fixed+" 以降に更新してください。"
		}
		list = append(list, w)
	}
	return list
}
