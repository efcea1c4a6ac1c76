package recog

import (
	"encoding/xml"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, text string) *DB {
	t.Helper()
	db := &DB{kinds: map[string][]*fingerprint{}}
	if err := db.read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestTheFirstFingerprintThatMatchesSpeaks(t *testing.T) {
	db := read(t, `<fingerprints matches="ssh.banner">
	  <fingerprint pattern="^OPENssh_([\d.p]+)(?: (.*))?$" flags="REG_ICASE">
	    <param pos="1" name="service.version"/><param pos="2" name="openssh.comment"/>
	    <param pos="0" name="service.product" value="OpenSSH"/>
	    <param pos="0" name="service.cpe23" value="cpe:/a:openbsd:openssh:{service.version}:{none}"/>
	  </fingerprint>
	  <fingerprint pattern="SSH"><param pos="0" name="service.product" value="other"/></fingerprint>
	</fingerprints>`)
	want := map[string]string{"service.version": "9.2p1", "service.product": "OpenSSH", "service.cpe23": "cpe:/a:openbsd:openssh:9.2p1:-"}
	if got := db.Match("ssh.banner", "OpenSSH_9.2p1"); !maps.Equal(got, want) {
		t.Errorf("said %v; want %v", got, want)
	}
	if got := db.Match("ssh.banner", "mySSH"); got["service.product"] != "other" {
		t.Errorf("said %v", got)
	}
	db = read(t, `<fingerprints matches="a"><fingerprint pattern="^a(?:long){0,2}(?:er|x)*$"><param pos="0" name="n" value="v"/></fingerprint></fingerprints>`)
	if got := db.Match("a", "a"); got["n"] != "v" {
		t.Errorf("what need not be there is asked for: %v", got)
	}
	if got := db.Match("ftp.banner", "OpenSSH_9.2p1"); got != nil {
		t.Errorf("another kind said %v", got)
	}
}

func TestWhatIsNoFingerprintIsRefusedWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		`<fingerprints matches="a"><fingerprint pattern="("/></fingerprints>`:                                       "fingerprint 1",
		`<fingerprints matches="a"><fingerprint pattern="a" flags="REG_ODD"/></fingerprints>`:                       "REG_ODD",
		`<fingerprints matches="a"><fingerprint pattern="a"><param pos="1" name="b"/></fingerprint></fingerprints>`: `group "1"`,
		`<fingerprints`: "no XML",
		`<!DOCTYPE x [<!ENTITY a "x">]><fingerprints matches="&a;"/>`: "no XML",
	} {
		db := &DB{kinds: map[string][]*fingerprint{}}
		if err := db.read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want it to say %q", text, err, want)
		}
	}
}

// TestThePrefilterHidesNothing asks the public fingerprints about their own
// examples: what a fingerprint's own pattern matches, the folder knows.
func TestThePrefilterHidesNothing(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "shared", "data", "exposure", "recog", "xml")
	files, _ := filepath.Glob(filepath.Join(dir, "*.xml"))
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("there are no fingerprints in " + dir)
		}
		t.Skip("there are no fingerprints in " + dir)
	}
	db, err := Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Matches string `xml:"matches,attr"`
			All     []struct {
				Examples []string `xml:"example"`
			} `xml:"fingerprint"`
		}
		if err := xml.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		patterns := slow(t, b)
		for i, f := range d.All {
			for _, text := range f.Examples {
				if text == "" || len(text) > maxText || !patterns[i].MatchString(text) {
					continue
				}
				examples++
				if db.Match(d.Matches, text) == nil {
					t.Errorf("%s: nobody knows %q, which the pattern of fingerprint %d matches", filepath.Base(file), text, i+1)
				}
			}
		}
	}
	if db.Len() < 4_000 || examples < 6_000 {
		t.Errorf("only %d fingerprints and %d examples were read", db.Len(), examples)
	}
}

// slow compiles every pattern of a file as it stands there.
func slow(t *testing.T, b []byte) (all []*regexp.Regexp) {
	t.Helper()
	var d document
	if err := xml.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	for _, f := range d.All {
		flags := ""
		if strings.Contains(f.Flags, "ICASE") {
			flags += "i"
		}
		if strings.Contains(f.Flags, "NEWLINE") || strings.Contains(f.Flags, "MULTILINE") {
			flags += "s"
		}
		if flags != "" {
			flags = "(?" + flags + ")"
		}
		all = append(all, regexp.MustCompile(flags+f.Pattern))
	}
	return all
}

func FuzzRead(f *testing.F) {
	f.Fuzz(func(_ *testing.T, b []byte) {
		db := &DB{kinds: map[string][]*fingerprint{}}
		if db.read(strings.NewReader(string(b))) == nil {
			for kind := range db.kinds {
				db.Match(kind, "OpenSSH_9.2p1 Debian-2+deb12u10")
			}
		}
	})
}
