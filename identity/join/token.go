package join

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"strings"

	"noroshi/fault"
)

// Token is everything a node needs to join, in one word that can be pasted.
type Token struct {
	Hub    string `json:"h"` // host:port of the hub's enrolment
	CA     string `json:"c"` // fingerprint of the hub's authority
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

// ParseToken reads the word.
func ParseToken(s string) (Token, error) {
	const op = "join.token"
	var t Token
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), tokenPrefix)
	if !ok || len(s) > maxToken {
		return t, fault.New(fault.Invalid, op, "this is not an enrolment token; it begins with %s and is made by 'noroshi hub enrol'", tokenPrefix)
	}
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return t, fault.As(fault.Invalid, op, err, "the enrolment token is damaged; was it copied whole?")
	}
	if _, _, err := net.SplitHostPort(t.Hub); err != nil || len(t.CA) != 64 || len(t.Secret) < 20 {
		return Token{}, fault.New(fault.Invalid, op, "the enrolment token is incomplete; was it copied whole?")
	}
	return t, nil
}

// SPKI is the hexadecimal SHA-256 of a certificate's public key.
func SPKI(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// ParseCert reads one certificate in PEM.
func ParseCert(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// KeyPEM writes a private key (PKCS #8).
func KeyPEM(k crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// ParseKey reads a private key.
func ParseKey(b []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("no key in PEM")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	return s, nil
}
