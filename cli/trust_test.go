package cli

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestKnownNamesAreReadAsHostsFilesAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	for text, want := range map[string]string{
		"# known\n\n192.0.2.1 www.example.jp mail.example.jp # two\n2001:db8::1\tsix.example.jp\n192.0.2.1 third.example.jp\n": "",
		"192.0.2.1 a.jp\nwww.example.jp 192.0.2.1\n": "line 2", "192.0.2.1\n": "line 1", "192.0.2.1 " + strings.Repeat("x", 1<<17): "line 1",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		names, err := knownNames(file)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%.40q: %v; want it to say %q", text, err, want)
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want == "" && (!slices.Equal(names(netip.MustParseAddr("192.0.2.1")), []string{"www.example.jp", "mail.example.jp", "third.example.jp"}) || names(netip.MustParseAddr("192.0.2.2")) != nil):
			t.Errorf("%q: %v", text, names(netip.MustParseAddr("192.0.2.1")))
		}
	}
}

func TestRootsAreRefusedThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "roots.pem")
	if _, err := trustedRoots(file); err == nil {
		t.Error("roots that are not there are taken")
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := trustedRoots(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("roots without a certificate are taken: %v", err)
	}
}
