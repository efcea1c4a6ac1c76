package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/analyse/exposure"
	"noroshi/api"
	"noroshi/share/notice"
)

// device is something at somebody's home that says its firmware to everybody.
type device struct {
	net.Listener
	firmware atomic.Value
}

func newDevice(t *testing.T) *device {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.77:0")
	must(t, err)
	d := &device{Listener: l}
	d.firmware.Store("6.41")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(c, "220 home FTP server (MikroTik %s) ready\r\n", d.firmware.Load()) // The scanner may be gone.
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return d
}

// TestAnOwnerIsToldMendsAndChecks follows one device on the loopback: a scope that
// two people of its provider stand for, the hub's scanner, the notice, the owner's
// page, the looks that the owner asks for, the update, and the proof, which closes
// the action, too.
func TestAnOwnerIsToldMendsAndChecks(t *testing.T) {
	p := startWith(t, "  - {slug: isp, name: ISP, name_ja: 事業者, kana: じぎょうしゃ, sector: telecom, parent: centre, prefixes: [127.0.0.0/8]}\n")
	d := newDevice(t)
	_, port, err := net.SplitHostPort(d.Addr().String())
	must(t, err)
	p.propose("isp", "survey: iot\nowner: ISP\ncontact: c@example.jp\nlegal_basis: consent\nproof: {kind: letter, reference: r, recorded_by: [a, b]}\nranges: [127.0.0.77/32]\nports: ["+port+"]\nrate: 100\ncaps: {address: 50, network: 50, owner: 10000}\nvalid_until: 2099-01-01T00:00:00Z\n", p.colleague("Taro", "isp"))
	p.scanner("connect")
	var list api.Page[notice.Notice, notice.State]
	waitFor(t, "two notices are made", func() bool {
		must(t, p.API.Get(t.Context(), "/api/v1/notices", &list))
		return len(list.Items) == 2
	})
	run := p.command
	run("notice", "send", "--org", "isp")
	firmware, files := list.Items[0], list.Items[1]
	if firmware.Group != notice.Firmware {
		firmware, files = files, firmware
	}
	if firmware.Org != p.orgs["isp"].ID || firmware.Weak[0].Name != "CVE-2018-14847" || files.Group != notice.Exposed {
		t.Fatalf("%+v", list.Items)
	}
	id := string(firmware.ID)
	letter := run("notice", "letter", id, "--lang", "ja")
	linkOf := func(letter string) string { return regexp.MustCompile(`http://\S+/check/\S+`).FindString(letter) }
	link := linkOf(letter)
	if link == "" || !strings.Contains(letter, "マイクロティック RouterOS") || !strings.Contains(letter, "Check For Updates") {
		t.Fatal(letter)
	}
	page := func(method, url string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s %s", method, url, resp.Status, b)
		}
		return string(b)
	}
	if first := page("GET", link); !strings.Contains(first, "もう一度確認を依頼する") || strings.Contains(first, "exposed-files") {
		t.Errorf("the page shows too little or of another notice: %s", first)
	}
	looked := func(n int) {
		t.Helper()
		waitFor(t, "the scanner looked again", func() bool { r := p.runs(); return len(r) == n && r[0].State == exposure.Done })
	}
	page("POST", link+"/again")
	looked(2)
	if still := page("GET", link); !strings.Contains(still, "まだ同じ状態でした") {
		t.Errorf("%s", still)
	}
	if r := p.runs()[0]; len(r.Only) != 1 || r.Only[0] != d.Addr().String() {
		t.Errorf("the owner's look was %+v", r)
	}
	// The owner updates, and asks by the letter about the files, which stay open: one
	// look answers for both notices.
	d.firmware.Store("6.49.10")
	began := time.Now()
	other := linkOf(run("notice", "letter", string(files.ID), "--lang", "ja"))
	page("POST", other+"/again")
	looked(3)
	if done := page("GET", link); !strings.Contains(done, "解消を確認済み") || strings.Contains(done, "依頼する</button>") {
		t.Errorf("%s", done)
	}
	if still := page("GET", other); !strings.Contains(still, "まだ同じ状態でした") {
		t.Errorf("%s", still)
	}
	var detail api.NoticeDetail
	must(t, p.API.Get(t.Context(), "/api/v1/notices/"+id, &detail))
	if x := detail.Notice; x.State != notice.Fixed || x.Proof != "seen" || x.EndedAt.Before(began.Add(-time.Minute)) {
		t.Errorf("%+v", x)
	}
	if said := run("action", "list", "--source", "iot", "--state", "proved"); !strings.Contains(said, "CVE-2018-14847") {
		t.Errorf("the action is not proved: %s", said)
	}
	if said := run("notice", "figures"); !strings.Contains(said, "50 %") {
		t.Error(said)
	}
}
