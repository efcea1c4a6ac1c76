package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// TestAnOwnerIsToldMendsAndChecks follows one device on the loopback: the scan,
// the notice at its provider, the owner's page, the update, the look that the owner
// asks for, and the proof, which closes the action, too.
func TestAnOwnerIsToldMendsAndChecks(t *testing.T) {
	p := startWith(t, "  - {slug: isp, name: ISP, name_ja: 事業者, kana: じぎょうしゃ, sector: telecom, parent: centre, prefixes: [127.0.0.0/8]}\n")
	d := newDevice(t)
	_, port, err := net.SplitHostPort(d.Addr().String())
	must(t, err)
	scope := filepath.Join(t.TempDir(), "scope.yaml")
	write(t, scope, []byte("owner: ISP\ncontact: c@example.jp\nlegal_basis: consent\nproof: {kind: letter, reference: r, recorded_by: [a, b]}\nranges: [127.0.0.77/32]\nports: ["+port+"]\nrate: 100\ncaps: {address: 50, network: 50, owner: 10000}\nvalid_until: 2099-01-01T00:00:00Z\n"))
	data := filepath.Join(p.Dir, "data")
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("noroshi", append(args, "--data", data)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	scan := filepath.Join(t.TempDir(), "scan.jsonl")
	write(t, scan, []byte(run("surface", "scan", "--scope", scope, "--mode", "connect", "--wait", "0s")))
	if said := run("notice", "survey", scan, "--scope", scope); !strings.Contains(said, "2 new notices") {
		t.Fatal(said)
	}
	run("notice", "send", "--org", "isp")
	var list api.Page[notice.Notice, notice.State]
	must(t, p.API.Get(t.Context(), "/api/v1/notices?group=firmware", &list))
	if len(list.Items) != 1 || list.Items[0].State != notice.Sent || list.Items[0].Weak[0].Name != "CVE-2018-14847" {
		t.Fatalf("%+v", list.Items)
	}
	id := string(list.Items[0].ID)
	letter := run("notice", "letter", id, "--lang", "ja")
	link := regexp.MustCompile(`http://\S+/check/\S+`).FindString(letter)
	if link == "" || !strings.Contains(letter, "マイクロティック RouterOS") || !strings.Contains(letter, "Check For Updates") {
		t.Fatal(letter)
	}
	page := func(method, path string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, link+path, nil)
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s %s", method, path, resp.Status, b)
		}
		return string(b)
	}
	if first := page("GET", ""); !strings.Contains(first, "もう一度確認を依頼する") || strings.Contains(first, "exposed-files") {
		t.Errorf("the page shows too little or of another notice: %s", first)
	}
	page("POST", "/again")
	if said := run("notice", "looks", "--scope", scope); !strings.Contains(said, "2 seen again, 0 fixed") { // Both notices of the port are judged by it.
		t.Error(said)
	}
	if still := page("GET", ""); !strings.Contains(still, "まだ同じ状態でした") {
		t.Errorf("%s", still)
	}
	// The owner updates, and the device is no more to be found: the next survey, not
	// the owner, proves it.
	d.firmware.Store("6.49.10")
	began := time.Now()
	write(t, scan, []byte(run("surface", "scan", "--scope", scope, "--mode", "connect", "--wait", "0s")))
	if said := run("notice", "survey", scan, "--scope", scope); !strings.Contains(said, "0 new notices, 1 seen again, 1 fixed") {
		t.Fatal(said)
	}
	if done := page("GET", ""); !strings.Contains(done, "解消を確認済み") || strings.Contains(done, "依頼する</button>") {
		t.Errorf("%s", done)
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
