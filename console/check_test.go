package console

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"noroshi/fault"
	"noroshi/share/notice"
)

// owners knows one link, "good", and what was asked of it.
type owners struct {
	view  notice.View
	asked int
	said  notice.Verdict
	fail  error
}

func (o *owners) open(token string) error {
	if token != "good" {
		return fault.New(fault.NotFound, "t", "this link is unknown")
	}
	return o.fail
}

func (o *owners) View(_ context.Context, token string) (notice.View, error) {
	return o.view, o.open(token)
}

func (o *owners) Ask(_ context.Context, token string) error {
	if err := o.open(token); err != nil {
		return err
	}
	o.asked++
	return nil
}

func (o *owners) SayAsOwner(_ context.Context, token string, v notice.Verdict, _ string) error {
	if err := o.open(token); err != nil {
		return err
	}
	if v == "" {
		return fault.New(fault.Invalid, "t", "no answer")
	}
	o.said = v
	return nil
}

func ask(t *testing.T, h http.Handler, method, path, form string, change ...func(*http.Request)) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.RemoteAddr = "203.0.113.5:1000"
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b), w.Header()
}

func evilView() notice.View {
	evil := `<script>alert(1)</script>"'{{.}}`
	side := notice.Side{Subject: evil, Parts: []notice.Part{{Heading: "h", Lines: []string{evil, "javascript:alert(1)"}}, {Heading: "s", Lines: []string{evil}, Steps: true}}}
	return notice.View{Letter: notice.Letter{EN: side, JA: side}, MayAsk: true}
}

func TestTheOwnersPageShowsTextsAsTexts(t *testing.T) {
	o := &owners{view: evilView()}
	code, page, head := ask(t, Check(o, time.Now), "GET", "/check/good", "")
	if code != 200 || strings.Contains(page, "<script") || strings.Contains(page, "href=") || strings.Count(page, "&lt;script&gt;") != 6 {
		t.Errorf("%d %s", code, page)
	}
	if !strings.Contains(page, `action="/check/good/again"`) || !strings.Contains(page, "もう一度確認を依頼する") || !strings.Contains(page, "Ask for another look") {
		t.Error("the page lacks its button in a language")
	}
	if p := head.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "script-src") || head.Get("Referrer-Policy") != "no-referrer" || head.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", head)
	}
}

func TestTheOwnersPageActsOnlyForItsLink(t *testing.T) {
	o := &owners{view: evilView()}
	h := Check(o, time.Now)
	for _, path := range []string{"/check/", "/check/bad", "/check/good/else", "/check/good/again", "/check/../api"} {
		if code, page, _ := ask(t, h, "GET", path, ""); code != 404 || strings.Contains(page, "alert") {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _, _ := ask(t, h, "POST", "/check/bad/again", "x=1"); code != 404 || o.asked != 0 {
		t.Errorf("a wrong link asks: %d", code)
	}
	if code, _, head := ask(t, h, "POST", "/check/good/again", "x=1"); code != 303 || head.Get("Location") != "/check/good?done=again" || o.asked != 1 {
		t.Errorf("%d %v", code, head)
	}
	if code, _, _ := ask(t, h, "POST", "/check/good/again", "x=1", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); code != 403 || o.asked != 1 {
		t.Errorf("another site asks: %d", code)
	}
	if code, page, _ := ask(t, h, "POST", "/check/good/feedback", "words=x"); code != 200 || !strings.Contains(page, "入力を確認") || o.said != "" {
		t.Errorf("an empty answer: %d", code)
	}
	if code, _, _ := ask(t, h, "POST", "/check/good/feedback", url.Values{"verdict": {"wrong_device"}}.Encode()); code != 303 || o.said != notice.WrongDevice {
		t.Errorf("%d %s", code, o.said)
	}
	if code, _, _ := ask(t, h, "POST", "/check/good/feedback", "words="+strings.Repeat("x", maxCheckForm)); code != 200 {
		t.Errorf("a long form: %d", code)
	}
	o.fail = fault.New(fault.Internal, "t", "the disk of the ledger burns")
	if code, page, _ := ask(t, h, "GET", "/check/good", ""); code != 503 || strings.Contains(page, "burns") {
		t.Errorf("%d %s", code, page)
	}
}

func TestOneNetworkCannotKeepThePageBusy(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	h := Check(&owners{view: evilView()}, func() time.Time { return now })
	for i := range perMinute + 5 {
		if code, _, _ := ask(t, h, "GET", "/check/good", ""); (code == 429) != (i >= perMinute) {
			t.Fatalf("request %d: %d", i, code)
		}
	}
	from := func(a string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = a } }
	if code, _, _ := ask(t, h, "GET", "/check/good", "", from("203.0.113.99:1")); code != 429 {
		t.Errorf("a neighbour: %d", code)
	}
	if code, _, _ := ask(t, h, "GET", "/check/good", "", from("[2001:db8::1]:1")); code != 200 {
		t.Errorf("somebody else: %d", code)
	}
	now = now.Add(time.Minute)
	if code, _, _ := ask(t, h, "GET", "/check/good", ""); code != 200 {
		t.Errorf("a minute later: %d", code)
	}
}
