package identify

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
	"noroshi/service"
)

// maxPages is how many paths a list may hold, each a request to every web server.
const maxPages = 64

// Page is a path at which something is administered or says its version, and how
// it is known. A path that is not there is often answered by something else, so
// nothing is believed that the pattern does not know.
type Page struct {
	Path    string  `yaml:"path"`
	Name    string  `yaml:"name"` // what is exposed
	Pattern pattern `yaml:"pattern"`
	Vendor  string  `yaml:"vendor"`
	Product string  `yaml:"product"`
}

// pattern looks for something in the headers and the body of an answer. A group
// named version is the version of the page's product.
type pattern struct{ *regexp.Regexp }

// UnmarshalYAML compiles it.
func (p *pattern) UnmarshalYAML(n *yaml.Node) error {
	var text string
	err := n.Decode(&text)
	if err == nil {
		p.Regexp, err = regexp.Compile("(?m)" + text)
	}
	return err
}

// Pages reads a list of pages.
func Pages(r io.Reader) (all []Page, err error) {
	d := yaml.NewDecoder(io.LimitReader(r, 1<<20))
	d.KnownFields(true)
	if err := d.Decode(&all); err != nil {
		return nil, fault.As(fault.Invalid, "identify.pages", err, "this is no list of pages: %v", err)
	}
	if len(all) > maxPages {
		return nil, fault.New(fault.TooLarge, "identify.pages", "%d pages are more than %d", len(all), maxPages)
	}
	for i, p := range all {
		if !strings.HasPrefix(p.Path, "/") || strings.ContainsAny(p.Path, " \r\n") || p.Name == "" || p.Pattern.Regexp == nil {
			return nil, fault.New(fault.Invalid, "identify.pages", "a page needs a path that begins with a stroke, a name and a pattern").At("page %d", i+1)
		}
	}
	return all, nil
}

// exposed looks for each page. Of pages that share a path one request is made,
// and none of those whose answers are known.
func (a *asking) exposed(h *service.HTTP, connect func() (net.Conn, error), known map[string][]byte) {
	for _, p := range a.Pages {
		b, asked := known[p.Path]
		if !asked {
			if resp, body := a.get(connect, p.Path, perAnswer); resp != nil && isThere(resp.StatusCode) {
				// Who has no such page often repeats what was asked for.
				b = bytes.ReplaceAll(whole(resp, body), []byte(p.Path), nil)
			}
			known[p.Path] = b
		}
		m := p.Pattern.FindSubmatch(b)
		if m == nil {
			continue
		}
		x := service.ExposedPage{Path: p.Path, Name: p.Name, Vendor: p.Vendor, Product: p.Product}
		if i := p.Pattern.SubexpIndex("version"); i > 0 {
			x.Version = service.Text(string(m[i]))
		}
		h.Exposed = append(h.Exposed, x)
	}
}

// isThere tells of a page that is shown, or would be to who may see it.
func isThere(status int) bool {
	return status/100 == 2 || status == http.StatusUnauthorized || status == http.StatusForbidden
}

// whole is an answer's first line, its headers in the order of their names, and its body.
func whole(resp *http.Response, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(resp.Status + "\n")
	var names []string
	for k := range resp.Header {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		b.WriteString(k + ": " + resp.Header.Get(k) + "\n")
	}
	b.WriteByte('\n')
	b.Write(body)
	return b.Bytes()
}
