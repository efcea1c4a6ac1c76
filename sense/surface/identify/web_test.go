package identify

import (
	"bufio"
	"crypto/md5"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"noroshi/fault"
	"noroshi/service"
)

// site answers requests for paths, and everything else as told.
func site(paths map[string]string, otherwise func(path string) string) func(net.Conn) {
	return func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		answer, ok := paths[r.URL.Path]
		if !ok {
			answer = otherwise(r.URL.Path)
		}
		_, _ = io.WriteString(c, answer)
	}
}

func page(status int, headers, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), headers, body)
}

func listOf(t *testing.T, text string) []Page {
	t.Helper()
	all, err := Pages(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const few = `
- {path: /, name: Search, vendor: Sought, product: Search, pattern: '"number":"(?P<version>[\d.]+)"'}
- {path: /secret/panel, name: panel, pattern: 'secret'}
- {path: /admin, name: admin, pattern: 'realm="Manager'}
`

func TestWhatIsExposedIsFoundAndEchoesAreNot(t *testing.T) {
	engine := &Engine{Pages: listOf(t, few)}
	s := serveTo(t, engine, 80, site(map[string]string{
		"/":                         page(200, "Content-Type: text/html\r\nContent-Security-Policy: frame-ancestors 'none'\r\n", `{"number":"7.1.2"}`),
		"/favicon.ico":              page(200, "", "icon"),
		"/admin":                    page(401, "WWW-Authenticate: Basic realm=\"Manager\"\r\n", ""),
		"/.well-known/security.txt": page(200, "", "-----BEGIN PGP SIGNED MESSAGE-----\n# ours\nContact: mailto:security@example.jp\nExpires: 2027-01-02T03:04:05+09:00\n"),
	}, func(path string) string { return page(200, "", "there is no "+path) }))
	if s.HTTP == nil || s.Product != "Search" || s.Version != "7.1.2" || s.Vendor != "Sought" {
		t.Fatalf("said %+v", s)
	}
	want := []service.ExposedPage{{Path: "/", Name: "Search", Vendor: "Sought", Product: "Search", Version: "7.1.2"}, {Path: "/admin", Name: "admin"}}
	if !reflect.DeepEqual(s.HTTP.Exposed, want) {
		t.Errorf("exposed is %+v; want %+v", s.HTTP.Exposed, want)
	}
	if got := strings.Join(s.HTTP.Missing, " "); got != "Referrer-Policy X-Content-Type-Options" {
		t.Errorf("missing is %s", got)
	}
	if x := s.HTTP.Security; x == nil || !x.Signed || x.Contact[0] != "mailto:security@example.jp" || x.Expires.Hour() != 18 {
		t.Errorf("security.txt says %+v", x)
	}
	if s.HTTP.Favicon == nil || s.HTTP.Favicon.MD5 != fmt.Sprintf("%x", md5.Sum([]byte("icon"))) {
		t.Errorf("the icon is %+v", s.HTTP.Favicon)
	}
}

// TestATokenOfTheServerIsMoreThanATitle shows a page of one product by a server
// of another, whose version nobody else says.
func TestATokenOfTheServerIsMoreThanATitle(t *testing.T) {
	s := serve(t, 80, site(nil, func(string) string {
		return page(200, "Server: h2o/2.2.5\r\n", "<title>Apache2 Debian Default Page</title>")
	}))
	if s.Product != "h2o" || s.Version != "2.2.5" {
		t.Errorf("said %+v", s)
	}
}

func TestMurmur3(t *testing.T) {
	for text, want := range map[string]uint32{"": 0, "hello": 0x248bfa47, "hello, world": 0x149bbb7f, "The quick brown fox jumps over the lazy dog": 0x2e4ff723} {
		if got := murmur3([]byte(text)); got != want {
			t.Errorf("%q: %#x; want %#x", text, got, want)
		}
	}
	if got := string(mime(make([]byte, 58))); got != strings.Repeat("A", 76)+"\nAA==\n" {
		t.Errorf("base64 is %q", got)
	}
}

func TestAListOfPagesIsReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"- {path: x, name: n, pattern: p}":                       "begins with a stroke",
		"- {path: '/a b', name: n, pattern: p}":                  "begins with a stroke",
		"- {path: /, name: n, pattern: '('}":                     "missing closing",
		"- {path: /, name: n, pattern: p, colour: red}":          "colour",
		strings.Repeat("- {path: /, name: n, pattern: p}\n", 65): "more than 64",
	} {
		if _, err := Pages(strings.NewReader(text)); fault.KindOf(err) != fault.Invalid && fault.KindOf(err) != fault.TooLarge || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v; want it to say %q", text, err, want)
		}
	}
}
