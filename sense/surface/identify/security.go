package identify

import (
	"net"
	"net/http"
	"strings"
	"time"

	"noroshi/service"
)

func (a *asking) securityTxt(connect func() (net.Conn, error)) *service.SecurityTxt {
	resp, body := a.get(connect, "/.well-known/security.txt", perAnswer)
	if resp == nil || resp.StatusCode != http.StatusOK {
		return nil
	}
	return decodeSecurityTxt(body)
}

// decodeSecurityTxt reads the fields. What names no contact is none, whatever a
// server sends for a path that it does not have.
func decodeSecurityTxt(body []byte) *service.SecurityTxt {
	var s service.SecurityTxt
	for line := range strings.Lines(string(body[:min(len(body), 16<<10)])) {
		name, value, ok := strings.Cut(line, ":")
		if strings.HasPrefix(line, "-----BEGIN PGP SIGNED MESSAGE") {
			s.Signed = true
		}
		if value = service.Text(value); !ok || value == "" {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "contact":
			if len(s.Contact) < 10 {
				s.Contact = append(s.Contact, value)
			}
		case "policy":
			s.Policy = value
		case "expires":
			s.Expires, _ = time.Parse(time.RFC3339, value) // What is no time is not kept.
		}
	}
	if len(s.Contact) == 0 {
		return nil
	}
	s.Expires = s.Expires.UTC()
	return &s
}
