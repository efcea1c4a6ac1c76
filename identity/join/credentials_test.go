package join

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"noroshi/fault"
)

// identityOf makes what a hub would have answered, with the key.
func identityOf(t testing.TB, a authority) kept {
	t.Helper()
	c := a.sign(t, "nod_x", x509.ExtKeyUsageClientAuth)
	signer, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatal("the key cannot sign")
	}
	key, err := KeyPEM(signer)
	must(t, err)
	return kept{Key: string(key), Enrolment: Enrolment{Node: "nod_x", Org: "org_x", Role: "sensor", Name: "host", Bus: "hub.example:4222",
		Cert: string(CertPEM(c.Certificate[0])), CA: string(CertPEM(a.cert.Raw)), FeedKey: make([]byte, ed25519.PublicKeySize), Feeds: []string{"real.all"}}}
}

func TestIdentityIsKeptForItsUserAndLoadedWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	k := identityOf(t, newAuthority(t))
	must(t, keep(dir, k))
	info, err := os.Stat(filepath.Join(dir, fileName))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file's rights are %s", info.Mode())
	}
	c, err := Load(dir)
	must(t, err)
	if c.Node != "nod_x" || c.TLS().ServerName != "hub.example" || len(c.FeedKey()) != ed25519.PublicKeySize {
		t.Errorf("loaded %+v", c.Enrolment)
	}
	must(t, os.Chmod(filepath.Join(dir, fileName), 0o640))
	if _, err := Load(dir); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a file that others could read: %v", err)
	}
}

func TestPartsThatDoNotBelongTogetherAreRefused(t *testing.T) {
	a := newAuthority(t)
	good, other := identityOf(t, a), identityOf(t, newAuthority(t))
	for name, change := range map[string]func(*kept){
		"another's key":       func(k *kept) { k.Key = identityOf(t, a).Key },
		"another authority":   func(k *kept) { k.CA = other.CA },
		"another's node":      func(k *kept) { k.Node = "nod_y" },
		"no organisation":     func(k *kept) { k.Org = "" },
		"a short feed key":    func(k *kept) { k.FeedKey = k.FeedKey[:31] },
		"no address":          func(k *kept) { k.Bus = "hub.example" },
		"no certificate":      func(k *kept) { k.Cert = "" },
		"the key as the cert": func(k *kept) { k.CA = k.Key },
	} {
		k := good
		change(&k)
		if _, err := credentials(k, ""); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := credentials(good, ""); err != nil {
		t.Error(err)
	}
}

// FuzzDecode feeds a damaged file of an identity.
func FuzzDecode(f *testing.F) {
	b, err := json.Marshal(identityOf(f, newAuthority(f)))
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"cert":"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decode(b, "")
		if err == nil && (c.Node == "" || c.Org == "" || c.TLS().ServerName == "" && c.Bus[0] != ':' || len(c.FeedKey()) != ed25519.PublicKeySize) {
			t.Errorf("an incomplete identity is loaded: %+v", c.Enrolment)
		}
	})
}
