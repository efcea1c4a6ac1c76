package join

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"noroshi/fault"
)

// Token is everything a node needs to join, in one word that can be pasted.
type Token struct {
	Hub    string `json:"h"` // host:port of the hub's enrolment
	CA     string `json:"c"` // fingerprint of the hub's authority, see SPKI
	Secret string `json:"s"` // works once
}

const (
	tokenPrefix = "nrs1_"
	maxToken    = 1024
)

// String writes the token as one word.
func (t Token) String() string {
	b, err := json.Marshal(t)
	if err != nil {
		return "" // Three strings always marshal.
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// enrolURL is where the token is redeemed.
func (t Token) enrolURL() string { return "https://" + t.Hub + "/enrol" }

// hash256 is how fingerprints and secrets are written: 256 bits in hexadecimal.
var hash256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ParseToken reads the word.
func ParseToken(s string) (Token, error) {
	const op = "join.token"
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), tokenPrefix)
	if !ok || len(s) > maxToken {
		return Token{}, fault.New(fault.Invalid, op, "this is not an enrolment token; it begins with %s and is made by 'noroshi hub enrol'", tokenPrefix)
	}
	var t Token
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return Token{}, fault.As(fault.Invalid, op, err, "the enrolment token is damaged; was it copied whole?")
	}
	u, err := url.Parse(t.enrolURL())
	if err != nil || u.Host != t.Hub || u.Hostname() == "" || u.Port() == "" || !hash256.MatchString(t.CA) || !hash256.MatchString(t.Secret) {
		return Token{}, fault.New(fault.Invalid, op, "the enrolment token is incomplete; was it copied whole?")
	}
	return t, nil
}
