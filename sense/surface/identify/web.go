package identify

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"html"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"noroshi/service"
)

// kept are the headers that tell of the product or of how it is protected.
var kept = []string{"Server", "X-Powered-By", "WWW-Authenticate", "Set-Cookie", "Via", "Strict-Transport-Security", "Content-Security-Policy",
	"X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy"}

// told are the headers that are evidence.
var told = []string{"Server", "X-Powered-By", "WWW-Authenticate", "Set-Cookie"}

// web asks for the first page in the clear.
func (a *asking) web() bool {
	return a.pages("http", a.connect)
}

// pages asks for the first page, and then for the few others that are worth a
// connection.
func (a *asking) pages(protocol string, connect func() (net.Conn, error)) bool {
	resp, body := a.get(connect, "/", a.guess)
	if resp == nil {
		return false
	}
	a.s.Service = protocol
	h := &service.HTTP{Status: resp.StatusCode, Location: service.Text(resp.Header.Get("Location")), Headers: map[string]string{}, Title: title(body)}
	for _, k := range kept {
		if v := service.Text(resp.Header.Get(k)); v != "" {
			h.Headers[k] = v
		}
	}
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		h.Body = hex.EncodeToString(sum[:])
	}
	h.Login = password.Match(body)
	h.Listing = strings.HasPrefix(h.Title, "Index of /") || strings.HasPrefix(h.Title, "Directory listing for /")
	h.Missing = missing(protocol, resp)
	a.s.HTTP = h
	a.tellHeaders(resp)
	a.tell("html_title", h.Title)
	icon, body2 := a.get(connect, "/favicon.ico", perAnswer)
	if icon != nil && icon.StatusCode == http.StatusOK && len(body2) > 0 && len(body2) < maxAnswer && !bytes.Contains(body2, []byte("<html")) {
		h.Favicon = newFavicon(body2)
		a.tell("favicon.md5", h.Favicon.MD5)
	}
	if icon != nil {
		a.tellHeaders(icon) // Some say what they are where they refuse alone.
	}
	h.Security = a.securityTxt(connect)
	known := map[string][]byte{"/": whole(resp, body), "/favicon.ico": nil}
	if icon != nil {
		known["/favicon.ico"] = whole(icon, body2) // Often it is an error, and says who made it.
	}
	a.exposed(h, connect, known)
	return true
}

// tellHeaders keeps the telling headers, of the first answer that has them.
func (a *asking) tellHeaders(resp *http.Response) {
	for _, k := range told {
		kind := "http_header." + strings.ToLower(k)
		switch k {
		case "WWW-Authenticate":
			kind = "http_header.wwwauth"
		case "Set-Cookie":
			kind = "http_header.cookie"
		}
		if a.s.Evidence[kind] == "" {
			a.tell(kind, resp.Header.Get(k))
		}
	}
}

// missing are the headers whose absence from a page that people look at is worth
// saying (OWASP Secure Headers).
func missing(protocol string, resp *http.Response) (names []string) {
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	policy := resp.Header.Get("Content-Security-Policy")
	for _, k := range []string{"Content-Security-Policy", "Referrer-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options"} {
		switch {
		case resp.Header.Get(k) != "":
		case k == "Strict-Transport-Security" && protocol != "https": // It means nothing in the clear.
		case k == "X-Frame-Options" && strings.Contains(policy, "frame-ancestors"):
		default:
			names = append(names, k)
		}
	}
	return names
}

// get asks for one path and reads a bounded answer. It asks for no compression
// and unpacks none, so no answer is larger than its bytes.
func (a *asking) get(connect func() (net.Conn, error), path string, within time.Duration) (*http.Response, []byte) {
	c, err := connect()
	if err != nil {
		return nil, nil
	}
	defer func() { _ = c.Close() }() // What it said is read.
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: "+a.to.String()+"\r\nUser-Agent: "+a.agent()+"\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"); err != nil {
		return nil, nil
	}
	return readResponse(c)
}

func readResponse(r io.Reader) (*http.Response, []byte) {
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(r, 2*maxAnswer)), nil)
	if err != nil {
		return nil, nil
	}
	defer func() { _ = resp.Body.Close() }()                    // The connection is closed by its owner.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // What came before an error is what there is.
	return resp, body
}

// agent says who asks, so that whoever reads the server's log can ask back.
func (a *asking) agent() string {
	if c := service.Text(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, a.Contact)); c != "" {
		return "noroshi-surface (authorised scan; contact: " + c + ")"
	}
	return "noroshi-surface (authorised scan)"
}

var (
	titled   = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)
	password = regexp.MustCompile(`(?i)<input[^>]{0,200}type\s*=\s*["']?password`)
)

func title(body []byte) string {
	m := titled.FindSubmatch(body)
	if m == nil {
		return ""
	}
	return service.Text(html.UnescapeString(string(bytes.ToValidUTF8(m[1], []byte(" ")))))
}
