package identify

import (
	"net"
	"net/http"
	"strings"
	"time"
)

// SecurityTxt is whom to tell of a weakness (RFC 9116).
type SecurityTxt struct {
	Contact []string  `json:"contact,omitempty"`
	Policy  string    `json:"policy,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Signed  bool      `json:"signed,omitempty"` // by OpenPGP; nobody has checked by whom
}

func (a *asking) securityTxt(connect func() (net.Conn, error)) *SecurityTxt {
	resp, body := a.get(connect, "/.well-known/security.txt", perAnswer)
	if resp == nil || resp.StatusCode != http.StatusOK {
		return nil
	}
	return decodeSecurityTxt(body)
}

// decodeSecurityTxt reads the fields. What names no contact is none, whatever a
// server sends for a path that it does not have.
func decodeSecurityTxt(body []byte) *SecurityTxt {
	var s SecurityTxt
	for line := range strings.Lines(string(body[:min(len(body), 16<<10)])) {
		name, value, ok := strings.Cut(line, ":")
		if strings.HasPrefix(line, "-----BEGIN PGP SIGNED MESSAGE") {
			s.Signed = true
		}
		if value = clean(value); !ok || value == "" {
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
