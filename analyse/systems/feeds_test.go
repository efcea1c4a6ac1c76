package systems_test

import (
	"archive/zip"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noroshi/analyse/systems"
	"noroshi/fault"
	"noroshi/ledger/ledgertest"
)

// many are entries of a feed, about packages of their own.
func many(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, advisory(fmt.Sprint("A-", i), fmt.Sprint("CVE-2026-", i), fmt.Sprint("p", i), "2.0.0"))
	}
	return list
}

// TestAFeedThatLostHalfIsKeptAndNotBelieved until a person accepts it, or a whole
// one comes.
func TestAFeedThatLostHalfIsKeptAndNotBelieved(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	r.system(t, r.a, "shop", systems.Facts{}, "pkg:npm/p1@1.0.0 pkg:npm/p19@1.0.0")
	hit := func(name string) int {
		t.Helper()
		w, err := r.WhoIsHit(ctx, r.a, name, "", 0)
		if fault.KindOf(err) == fault.NotFound {
			return 0
		}
		must(t, err)
		return w.Systems
	}
	if f := r.load(t, "npm", archive(t, many(0, 20)...)); f.Waiting != nil || f.Believed.Advisories != 20 {
		t.Fatalf("loaded is %+v", f)
	}
	half := archive(t, many(0, 8)...)
	f := r.load(t, "npm", half)
	if f.Waiting == nil || f.Why == "" || f.WhyJA == "" || f.Believed.Advisories != 20 || hit("CVE-2026-19") != 1 {
		t.Errorf("what lost more than half is believed: %+v", f)
	}
	if again := r.hub(t); again != nil {
		if st, err := again.Stats(ctx); err != nil || st.Advisories != 20 || st.Waiting != 1 {
			t.Errorf("a hub that begins knows %+v, %v", st, err)
		}
	}
	if _, err := r.Accept(ctx, r.a, "npm", f.Version); fault.KindOf(err) != fault.Denied {
		t.Errorf("a member accepts for everybody: %v", err)
	}
	if _, err := r.Accept(ctx, r.centre, "npm", f.Version-1); fault.KindOf(err) != fault.Conflict {
		t.Errorf("what was not looked at is accepted: %v", err)
	}
	if f = r.load(t, "npm", archive(t, many(1, 20)...)); f.Waiting != nil || f.Believed.Advisories != 19 {
		t.Errorf("a whole one is not believed: %+v", f)
	}
	f = r.load(t, "npm", half)
	f, err := r.Accept(ctx, r.centre, "npm", f.Version)
	must(t, err)
	if f.Waiting != nil || f.Believed.Advisories != 8 || hit("CVE-2026-19") != 0 || hit("CVE-2026-1") != 1 {
		t.Errorf("accepted is %+v", f)
	}
}

// TestWhatIsBrokenInAFeedIsSetAside with its place, and the rest is taken.
func TestWhatIsBrokenInAFeedIsSetAside(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, from := range map[string]io.Reader{
		"good.json":   strings.NewReader(advisory("A-1", "CVE-2026-1", "p1", "2.0.0")),
		"broken.json": strings.NewReader(`{"id":`),
		"bomb.json":   io.LimitReader(zeros{}, 32<<20),
	} {
		w, err := z.Create(name)
		must(t, err)
		_, err = io.Copy(w, from)
		must(t, err)
	}
	must(t, z.Close())
	f := r.load(t, "npm", b.Bytes())
	said := ""
	for _, q := range r.aside {
		said += q.Place + " " + q.Reason + "\n"
	}
	if f.Believed.Advisories != 1 || f.Believed.Refused != 2 || !strings.Contains(said, "broken.json") || !strings.Contains(said, "bomb.json: unpacked it is larger") || r.aside[0].Org != centre {
		t.Errorf("taken was %+v, set aside %s", f.Believed, said)
	}
	for name, content := range map[string][]byte{"not a zip": []byte("PK nonsense"), "no advisory": []byte(`{"id":""}`), "a bomb alone": b.Bytes()[:100]} {
		before := len(r.aside)
		if _, err := r.Load(ctx, r.centre, "other", name, content); fault.KindOf(err) != fault.Invalid || len(r.aside) != before+1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Load(ctx, r.a, "npm", "npm", b.Bytes()); fault.KindOf(err) != fault.Denied {
		t.Errorf("a member loads for everybody: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestDroppedFilesAreTaken(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	dir := t.TempDir()
	put := func(name string, content []byte, at time.Time) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
		must(t, os.Chtimes(filepath.Join(dir, name), at, at))
	}
	put("npm.zip", archive(t, many(0, 3)...), r.now.Add(-time.Hour))
	put("one.json", []byte(advisory("X-1", "CVE-2026-99", "x", "2.0.0")), r.now.Add(-time.Hour))
	put("being-copied.zip", archive(t, many(0, 3)...), r.now)
	put("readme.txt", []byte("x"), r.now.Add(-time.Hour))
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link.json")))
	r.Sweep(ctx, dir)
	p, err := r.Feeds(ctx, r.centre, "", 0)
	must(t, err)
	if len(p.Items) != 2 || p.Items[0].Name != "X-1" || p.Items[0].Kind != systems.Single || p.Items[1].Name != "npm" || len(r.aside) != 0 {
		t.Errorf("taken were %+v, aside %+v", p.Items, r.aside)
	}
	if p, err = r.Feeds(ctx, r.a, "X-1", 1); err != nil || len(p.Items) != 1 || p.Items[0].Believed.By != "" || p.Items[0].Believed.From != "" {
		t.Errorf("a member sees %+v, %v", p.Items, err)
	}
}

// TestDownloadsAreNotLedInside: the host that was configured may be an inside one;
// what it leads to may not.
func TestDownloadsAreNotLedInside(t *testing.T) {
	var lead string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/file":
			_, _ = io.WriteString(w, "content")
		case "/lead":
			http.Redirect(w, r, lead, http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	defer other.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	trust := &tls.Config{RootCAs: pool}
	if b, err := systems.Download(t.Context(), s.URL+"/file", trust); err != nil || string(b) != "content" {
		t.Errorf("%q, %v", b, err)
	}
	for to, says := range map[string]string{other.URL: "inside address 127.0.0.1", "http://127.0.0.1/": "away from https", s.URL + "/lead": "circle"} {
		lead = to
		if b, err := systems.Download(t.Context(), s.URL+"/lead", trust); err == nil || !strings.Contains(fault.PublicOf(err), says) {
			t.Errorf("led to %s: %q, %v", to, b, err)
		}
	}
	for _, address := range []string{s.URL + "/nothing", "http" + strings.TrimPrefix(s.URL, "https") + "/file", "file:///etc/passwd"} {
		if b, err := systems.Download(t.Context(), address, trust); err == nil {
			t.Errorf("%s: %q", address, b)
		}
	}
}

// TestKnownAttacksMakeItUrgent at once, and the chance of one only when it changes
// a decision.
func TestKnownAttacksMakeItUrgent(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	r.system(t, r.a, "shop", systems.Facts{Importance: "high", SeenAs: []string{"192.0.2.1"}}, "pkg:npm/left@2.0.0")
	r.load(t, "", []byte(advisory("A-1", "CVE-2026-1234", "left", "3.0.0")))
	must(t, r.Match(ctx))
	if th := r.board.surveys[0].Weaknesses[0].Threat; th.KEV || th.SSVC == "act" || th.Why == "" || th.WhyJA == "" {
		t.Fatalf("nobody attacks it, and the threat is %+v", th)
	}
	if f := r.load(t, "x", []byte("#model_version:v2025.03.14,score_date:2026-11-25T00:00:00+0000\ncve,epss,percentile\nCVE-2026-1234,0.01,0.2\n")); f.Name != "epss" || f.Kind != systems.Attacks {
		t.Errorf("loaded is %+v", f)
	}
	must(t, r.Match(ctx))
	if len(r.board.surveys) != 1 {
		t.Error("a chance that decides nothing made a survey")
	}
	r.load(t, "x", []byte(`{"catalogVersion":"2026.11.25","dateReleased":"2026-11-25T00:00:00Z","count":1,"vulnerabilities":[{"cveID":"CVE-2026-1234","vendorProject":"v","product":"p","vulnerabilityName":"n","dateAdded":"2026-11-20","shortDescription":"s","requiredAction":"a","dueDate":"2026-12-01","knownRansomwareCampaignUse":"Known","notes":"","cwes":[]}]}`))
	must(t, r.Match(ctx))
	if len(r.board.surveys) != 2 {
		t.Fatal("a known attack made no survey")
	}
	if th := r.board.surveys[1].Weaknesses[0].Threat; !th.KEV || !th.Ransomware || th.SSVC != "act" || th.EPSS != 0.01 {
		t.Errorf("the threat is %+v", th)
	}
}
