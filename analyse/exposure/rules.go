package exposure

import (
	"bytes"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"noroshi/action"
	"noroshi/fault"
	"noroshi/service"
)

// Rule says of one kind of service what is weak about it.
type Rule struct {
	Name    string       `yaml:"name"`
	Check   string       `yaml:"check"`
	Level   action.Level `yaml:"level"`
	Title   string       `yaml:"title"`
	TitleJA string       `yaml:"title_ja"`
	Fix     string       `yaml:"fix"`
	FixJA   string       `yaml:"fix_ja"`
	Ref     string       `yaml:"reference"`
	When    When         `yaml:"when"`
}

// When is what a service must be; all that is said must hold, and of each list
// one.
type When struct {
	Services []string `yaml:"service"`
	Facts    []string `yaml:"fact"`
	TLS      []string `yaml:"tls_version"`
	Cipher   pattern  `yaml:"tls_cipher"`
	Weak     pattern  `yaml:"certificate"` // what the scanner says is weak about it
	Trust    []string `yaml:"trust"`       // what its chain is worth
	Kex      []string `yaml:"ssh_kex"`
	SSH      []string `yaml:"ssh_cipher"`
	Title    pattern  `yaml:"title"`   // of the first page
	Missing  string   `yaml:"missing"` // a header that is not there
	// Evidence are texts that were said, by their names, each as a pattern.
	Evidence map[string]pattern `yaml:"evidence"`
}

// pattern is a regular expression of RE2.
type pattern struct{ *regexp.Regexp }

// UnmarshalYAML compiles it.
func (p *pattern) UnmarshalYAML(n *yaml.Node) (err error) {
	p.Regexp, err = regexp.Compile(n.Value)
	return err
}

// Product is a product as scanners name it, and the Debian source package that
// it is.
type Product struct {
	Name    string `yaml:"name"`
	Package string `yaml:"package"`
	Epoch   string `yaml:"epoch"` // of the package's version; banners leave it out
}

// Rules are all of them.
type Rules struct {
	list     []Rule
	products map[string]Product
}

// The checks, each of which a survey says that it made. What a rule has found is
// looked for again by the same check.
const (
	checkProduct = "product"
	checkTrust   = "trust" // of chains, by who had roots
)

var checks = []string{"exposure", "cleartext", "tls", "certificate", checkTrust, "ssh", "web"}

// LoadRules reads rules.yaml and products.yaml of a folder.
func LoadRules(dir fs.FS) (*Rules, error) {
	r := &Rules{products: map[string]Product{}}
	var products []Product
	if err := readYAML(dir, "rules.yaml", &r.list); err != nil {
		return nil, err
	}
	if err := readYAML(dir, "products.yaml", &products); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i, x := range r.list {
		bad := func(format string, args ...any) error {
			return fault.New(fault.Invalid, "exposure.rules", format, args...).At("rules.yaml, rule %d (%s)", i+1, x.Name)
		}
		switch {
		case x.Name == "" || names[x.Name]:
			return nil, bad("the name is missing or used twice")
		case !slices.Contains(checks, x.Check):
			return nil, bad("%q is no check", x.Check)
		case x.Level.Rank() == 0 || x.Title == "" || x.TitleJA == "" || x.Fix == "" || x.FixJA == "":
			return nil, bad("a rule has a level, and title and fix in both languages")
		case x.When.empty():
			return nil, bad("it would hit everything: say when")
		}
		for _, f := range x.When.Facts {
			if facts[f] == nil {
				return nil, bad("%q is no fact", f)
			}
		}
		names[x.Name] = true
	}
	for _, p := range products {
		r.products[p.Name] = p
	}
	return r, nil
}

func (w When) empty() bool {
	return len(w.Services)+len(w.Facts)+len(w.TLS)+len(w.Trust)+len(w.Kex)+len(w.SSH)+len(w.Evidence) == 0 && w.Cipher.Regexp == nil && w.Weak.Regexp == nil && w.Title.Regexp == nil
}

func readYAML(dir fs.FS, name string, to any) error {
	b, err := fs.ReadFile(dir, name)
	if err != nil {
		return fault.As(fault.NotFound, "exposure.rules", err, "the rules %s cannot be read", name)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(to); err != nil {
		return fault.As(fault.Invalid, "exposure.rules", err, "%v", err).At("%s", name)
	}
	return nil
}

// facts are what is true of a port, and how it shows, by the names that rules
// have for it.
var facts = map[string]func(service.Port, time.Time) (string, bool){
	"login": func(p service.Port, _ time.Time) (string, bool) {
		return "the page has a field for a password", p.HTTP != nil && p.HTTP.Login
	},
	"directory_listing": func(p service.Port, _ time.Time) (string, bool) {
		return "the page lists a folder", p.HTTP != nil && p.HTTP.Listing
	},
	"no_tls": func(p service.Port, _ time.Time) (string, bool) { return "nothing is encrypted", p.TLS == nil },
	"no_redirect": func(p service.Port, _ time.Time) (string, bool) {
		return "the page is served without HTTPS", p.HTTP != nil && p.HTTP.Status < 300 && p.HTTP.Status >= 200
	},
	"page": func(p service.Port, _ time.Time) (string, bool) {
		return "", p.HTTP != nil && p.HTTP.Status >= 200 && p.HTTP.Status < 300
	},
	"exposed_page": func(p service.Port, _ time.Time) (string, bool) {
		if p.HTTP == nil || len(p.HTTP.Exposed) == 0 {
			return "", false
		}
		var all []string
		for _, x := range p.HTTP.Exposed {
			all = append(all, x.Path+": "+x.Name)
		}
		return strings.Join(all, ", "), true
	},
	"smb1": func(p service.Port, _ time.Time) (string, bool) { return "SMB 1 is spoken", p.SMB != nil && p.SMB.Old },
	"udp":  func(p service.Port, _ time.Time) (string, bool) { return "", p.Transport == "udp" },
	"smb_unsigned": func(p service.Port, _ time.Time) (string, bool) {
		return "signatures are not required", p.SMB != nil && !p.SMB.Signing
	},
	"expired": func(p service.Port, now time.Time) (string, bool) {
		return certificateUntil(p), p.TLS != nil && !p.TLS.NotAfter.IsZero() && p.TLS.NotAfter.Before(now)
	},
	"expires_soon": func(p service.Port, now time.Time) (string, bool) {
		return certificateUntil(p), p.TLS != nil && p.TLS.NotAfter.After(now) && p.TLS.NotAfter.Before(now.AddDate(0, 0, 14))
	},
	"not_yet_valid": func(p service.Port, now time.Time) (string, bool) {
		if p.TLS == nil || !p.TLS.NotBefore.After(now) {
			return "", false
		}
		return "the certificate of " + p.TLS.Subject + " begins on " + p.TLS.NotBefore.UTC().Format(time.RFC3339), true
	},
	"long_lived": func(p service.Port, _ time.Time) (string, bool) {
		// One that signed itself must be replaced anyhow.
		if p.TLS == nil || p.TLS.Trust == "self_signed" || p.TLS.NotBefore.IsZero() || !p.TLS.NotAfter.After(p.TLS.NotBefore.Add(longest)) {
			return "", false
		}
		return "the certificate of " + p.TLS.Subject + " is valid for " + itoa(int(p.TLS.NotAfter.Sub(p.TLS.NotBefore)/daily)) + " days", true
	},
	"wrong_name": wrongName,
}

// longest is for how long authorities may issue a certificate since September 2020
// (CA/Browser Forum, Baseline Requirements 6.3.2), with the day that it may be off.
const longest = 399 * daily

// wrongName tells of a certificate that fits none of the names by which the host
// is known. Of a host that is known by none nothing is said.
func wrongName(p service.Port, _ time.Time) (string, bool) {
	if p.TLS == nil || len(p.TLS.Named) == 0 {
		return "", false
	}
	var known []string
	for _, n := range p.TLS.Named {
		if n.Fits {
			return "", false
		}
		known = append(known, n.Name)
	}
	return "the host is known as " + strings.Join(known, ", ") + "; the certificate is of " + strings.Join(p.TLS.Names[:min(len(p.TLS.Names), 8)], ", "), true
}

func certificateUntil(p service.Port) string {
	if p.TLS == nil {
		return ""
	}
	return "the certificate of " + p.TLS.Subject + " ends on " + p.TLS.NotAfter.UTC().Format(time.RFC3339)
}
