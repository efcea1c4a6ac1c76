package iot

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"noroshi/action"
	"noroshi/content"
	"noroshi/fault"
	"noroshi/service"
)

func load(t testing.TB) *Rules {
	t.Helper()
	r, err := Load(content.Devices())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func scan(t testing.TB, lines ...string) Scan {
	t.Helper()
	s, err := ReadScan(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names(list []action.Weakness) (out []string) {
	for _, w := range list {
		out = append(out, w.Place+" "+w.Name)
	}
	slices.Sort(out)
	return out
}

// TestOneAddressMayHoldSeveralDevices: a router lets a camera through. Each has
// what it shows, and a port that says nothing is the surest one's.
func TestOneAddressMayHoldSeveralDevices(t *testing.T) {
	r := load(t)
	s := scan(t,
		`{"address":"192.0.2.1","port":8080,"transport":"tcp","first_seen":"2026-11-25T00:00:01Z","service":"http","http":{"status":401},"evidence":{"http_header.wwwauth":"Digest realm=\"AXIS_ACCC8EA31ABF\""}}`,
		`{"address":"192.0.2.1","port":80,"transport":"tcp","first_seen":"2026-11-25T00:00:02Z","service":"http","http":{"status":401},"evidence":{"http_header.wwwauth":"Basic realm=\"WSR-2533DHP3 Version 1.24\""}}`,
		`{"address":"192.0.2.1","port":22,"transport":"tcp","first_seen":"2026-11-25T00:00:03Z","service":"ssh","evidence":{"ssh.banner":"SSH-2.0-dropbear"}}`,
		`{"address":"192.0.2.2","port":23,"transport":"tcp","first_seen":"2026-11-25T00:00:03Z","service":"telnet","evidence":{"telnet.banner":"login:"}}`,
		`{"address":"192.0.2.3","port":443,"transport":"tcp","first_seen":"2026-11-25T00:00:03Z","service":"https","http":{"login":true},"evidence":{"http_header.server":"nginx"}}`,
		`{"run":"scn_1","summary":{"ended":"done"}}`)
	if len(s.Hosts) != 3 || !s.Done || s.Run != "scn_1" {
		t.Fatalf("the scan is %+v", s)
	}
	got := r.Judge(s.Hosts[0])
	if len(got) != 2 || got[0].Device.Maker != "axis" || got[1].Device.Maker != "buffalo" {
		t.Fatalf("the devices are %+v", got)
	}
	if have := names(got[0].Weaknesses); !slices.Equal(have, []string{"tcp/22 exposed-ssh", "tcp/8080 exposed-admin-http"}) {
		t.Errorf("the camera: %v", have)
	}
	if have := names(got[1].Weaknesses); !slices.Equal(have, []string{"tcp/80 CVE-2021-20090", "tcp/80 exposed-admin-http"}) {
		t.Errorf("the router: %v", have)
	}
	w := got[1].Weaknesses[0]
	if w.Check != CheckFirmware || w.Version != "1.24" || !w.Threat.KEV || w.Asset.Key != "192.0.2.1" || w.Asset.Name != "Buffalo WSR-2533DHP3" || len(w.Evidence) == 0 || w.FixJA == "" {
		t.Errorf("the weakness is %+v", w)
	}
	if got := r.Judge(s.Hosts[1]); len(got) != 1 || got[0].Device.Kind != Other || got[0].Device.Maker != "" || len(got[0].Weaknesses) != 1 {
		t.Errorf("Telnet of nobody knows what: %+v", got)
	}
	if got := r.Judge(s.Hosts[2]); len(got) != 0 {
		t.Errorf("a web server is a device: %+v", got)
	}
}

// TestTheOrderOfPortsDoesNotMatter draws hosts and shuffles them.
func TestTheOrderOfPortsDoesNotMatter(t *testing.T) {
	r := load(t)
	texts := map[string][]string{
		"ftp.banner":          {"x FTP server (MikroTik 6.41) ready", "AXIS 214 PTZ Network Camera 4.49 (Oct 05 2009) ready", "FRITZ!Box7490 FTP server ready."},
		"http_header.wwwauth": {`Basic realm="WRC-300FEBK-S"`, `Basic realm="IP Camera"`, `Basic realm="DCS-2530L"`},
		"http_header.server":  {"uc-httpd 1.0.0", "GoAhead-Webs", "Linux, HTTP/1.1, DIR-645 Ver 1.03"},
	}
	rapid.Check(t, func(t *rapid.T) {
		var host []service.Port
		for i := range rapid.IntRange(1, 6).Draw(t, "ports") {
			p := service.Port{Address: netip.MustParseAddr("192.0.2.1"), Port: uint16(80 + i), Transport: "tcp", Answer: service.Answer{Service: rapid.SampledFrom([]string{"http", "ftp", "telnet", "ssh"}).Draw(t, "service"), Evidence: map[string]string{}}}
			for range rapid.IntRange(1, 2).Draw(t, "texts") {
				on := rapid.SampledFrom([]string{"ftp.banner", "http_header.wwwauth", "http_header.server"}).Draw(t, "on")
				p.Evidence[on] = rapid.SampledFrom(texts[on]).Draw(t, "text")
			}
			host = append(host, p)
		}
		shuffled := rapid.Permutation(host).Draw(t, "shuffled")
		a, b := r.Judge(byHost(slices.Clone(host))[0]), r.Judge(byHost(shuffled)[0])
		x, _ := json.Marshal(a) // It is plain data.
		y, _ := json.Marshal(b)
		if string(x) != string(y) {
			t.Fatalf("%s\n%s", x, y)
		}
		for _, j := range a {
			if j.Device.Confidence > 99 || j.Device.Confidence < 0 || len(j.Device.Places) == 0 {
				t.Fatalf("%+v", j.Device)
			}
		}
	})
}

func TestVersionsAreOrderedAsMakersMeanThem(t *testing.T) {
	for _, c := range []struct{ low, high string }{
		{"1.9", "1.10"}, {"6.40.7", "6.40.8"}, {"6.42rc1", "6.42"}, {"Ver.1.2.1", "1.2.2"}, {"Rev.14.01.38", "Rev.14.01.40"}, {"1.04b12", "1.04"}, {"1.04b9", "1.04b12"},
		{"1.1.3 Build 20221125", "1.1.4"}, {"v2", "V2.0.1"}, {"1.5.1", "1.5.1.5"},
	} {
		if order(numbers(c.low), numbers(c.high)) >= 0 || order(numbers(c.high), numbers(c.low)) <= 0 {
			t.Errorf("%s is not below %s", c.low, c.high)
		}
	}
	if order(numbers("1.2"), numbers("v1.2.0")) != 0 {
		t.Error("1.2 is not 1.2.0")
	}
	f := &firmware{ID: "CVE-2018-14847", Models: "RouterOS", From: "6.41", Fixed: "6.42.1", Level: action.High, Title: "t", TitleJA: "t", Reference: "https://example.jp"}
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]bool{"6.40.9": false, "6.41": true, "6.42": true, "6.42.1": false, "7.1": false, "": false, "stable": false} {
		if f.hits("routeros", version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
	if f.hits("RouterOS2", "6.41") || f.hits("", "6.41") {
		t.Error("another model is hit")
	}
}

// TestExploitedWeaknessesAreThoseOfTheCatalogue compares our file with the
// catalogue of known exploited vulnerabilities of August 2025.
func TestExploitedWeaknessesAreThoseOfTheCatalogue(t *testing.T) {
	name := filepath.Join("..", "..", "..", "shared", "data", "intelligence", "kev", "known_exploited_vulnerabilities.json")
	if _, err := os.Stat(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the public data sets are not here: ", err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var kev struct {
		Vulnerabilities []struct{ CVEID, DateAdded string }
	}
	if err := json.Unmarshal(b, &kev); err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, v := range kev.Vulnerabilities {
		listed[v.CVEID] = v.DateAdded
	}
	n := 0
	for _, m := range load(t).sorted {
		for _, f := range m.Vulnerable {
			n++
			if f.KEV != listed[f.ID] {
				t.Errorf("%s of %s: listed %q, we say %q", f.ID, m.Name, listed[f.ID], f.KEV)
			}
		}
	}
	t.Logf("%d weaknesses of firmware", n)
}

func TestALineThatIsNoneIsRefusedWithItsNumber(t *testing.T) {
	good := `{"address":"192.0.2.1","port":80,"transport":"tcp"}`
	for bad, kind := range map[string]fault.Kind{
		`{`: fault.Invalid, `[]`: fault.Invalid, `{"address":"192.0.2.1","port":0,"transport":"tcp"}`: fault.Invalid, `{"address":"fe80::1%eth0","port":80,"transport":"tcp"}`: fault.Invalid,
		`{"address":"192.0.2.1","port":80,"transport":"sctp"}`: fault.Invalid, `{"port":80}`: fault.Invalid, `"` + strings.Repeat("x", maxLine) + `"`: fault.TooLarge,
	} {
		_, err := ReadScan(strings.NewReader(good + "\n" + bad + "\n"))
		if fault.KindOf(err) != kind || !strings.HasPrefix(fault.PublicOf(err), "line 2: ") {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
}

// FuzzReadScan reads lines as a hostile device could have made them say, and
// judges what they tell.
func FuzzReadScan(f *testing.F) {
	f.Add([]byte(`{"address":"192.0.2.1","port":80,"transport":"tcp","service":"http","http":{"login":true},"evidence":{"http_header.wwwauth":"Basic realm=\"WSR-2533DHP3 Version 1.20\""}}`))
	f.Add([]byte("{\"address\":\"2001:db8::1\",\"port\":21,\"transport\":\"tcp\",\"evidence\":{\"ftp.banner\":\"(MikroTik 6.41\u202e)\"}}\n{\"run\":\"scn\",\"summary\":{\"ended\":\"done\"}}"))
	r := load(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ReadScan(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		for _, host := range s.Hosts {
			for _, j := range r.Judge(host) {
				for _, text := range []string{j.Device.Model, j.Device.Firmware} {
					if !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\x00\u202e") {
						t.Errorf("%q is shown", text)
					}
				}
				for _, w := range j.Weaknesses {
					if w.Asset.Key != host[0].Address.String() || w.Place == "" || w.Level.Rank() == 0 {
						t.Errorf("%+v", w)
					}
				}
			}
		}
	})
}
