package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"noroshi/console"
	"noroshi/fault"
)

type desk struct {
	now   time.Time
	asked []string
}

func (d *desk) ask(_ context.Context, prefix, contact, reason, from string) (string, error) {
	if prefix == "all" {
		return "", fault.New(fault.Invalid, "test", "no address <b>")
	}
	d.asked = append(d.asked, strings.Join([]string{prefix, contact, reason, from}, "|"))
	return "opt_1", nil
}

func (d *desk) page() http.Handler {
	return console.About(console.Scans{Operator: "Centre <x>", OperatorJA: "統括センター", Contact: "scans@example.jp", Addresses: []string{"192.0.2.200"}}, d.ask, func() time.Time { return d.now })
}

func post(h http.Handler, from, prefix, reason string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, console.AboutPath+"?lang=en", strings.NewReader(url.Values{"prefix": {prefix}, "contact": {"me"}, "reason": {reason}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestThePageSpeaksTheReadersLanguage(t *testing.T) {
	for _, c := range []struct{ query, header, want string }{
		{"", "", `lang="en"`}, {"", "ja,en;q=0.5", `lang="ja"`}, {"", "fr, en-GB, ja", `lang="en"`}, {"?lang=en", "ja", `lang="en"`}, {"?lang=ja", "en", `lang="ja"`},
	} {
		r := httptest.NewRequest(http.MethodGet, console.AboutPath+c.query, nil)
		r.Header.Set("Accept-Language", c.header)
		w := httptest.NewRecorder()
		(&desk{}).page().ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "<html "+c.want) || strings.Contains(body, "<x>") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%+v: %d %s", c, w.Code, body)
		}
	}
}

func TestANetworkAsksFiveTimesAnHour(t *testing.T) {
	d := &desk{now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	h := d.page()
	for i := range 7 {
		want := http.StatusOK
		if i >= 5 {
			want = http.StatusTooManyRequests
		}
		if w := post(h, "203.0.113."+string(rune('1'+i))+":4000", "192.0.2.7", ""); w.Code != want {
			t.Errorf("request %d: %d", i+1, w.Code)
		}
	}
	if w := post(h, "198.51.100.1:4000", "192.0.2.7", ""); w.Code != http.StatusOK {
		t.Errorf("another network: %d", w.Code)
	}
	d.now = d.now.Add(time.Hour)
	if w := post(h, "203.0.113.9:4000", "192.0.2.7", ""); w.Code != http.StatusOK {
		t.Errorf("an hour later: %d", w.Code)
	}
	if len(d.asked) != 7 || d.asked[0] != "192.0.2.7|me||203.0.113.1" {
		t.Errorf("taken: %q", d.asked)
	}
}

func TestWhatIsSentIsBoundedAndShownAsText(t *testing.T) {
	d := &desk{}
	if w := post(d.page(), "203.0.113.1:4000", "192.0.2.7", strings.Repeat("x", 10<<10)); w.Code != http.StatusUnprocessableEntity || len(d.asked) > 0 {
		t.Errorf("10 KiB: %d, %q", w.Code, d.asked)
	}
	if w := post(d.page(), "203.0.113.1:4000", "all", ""); w.Code != http.StatusUnprocessableEntity || strings.Contains(w.Body.String(), "address <b>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
