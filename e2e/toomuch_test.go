package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"noroshi/access"
)

// TestEveryOperationRefusesTooMuch gives each parameter and each part of a body of
// every operation what is larger and deeper than anything sensible. Each is a
// clear error of the one who asks, and never of the platform.
func TestEveryOperationRefusesTooMuch(t *testing.T) {
	tree := []member{{slug: "centre"}, {"m0", "centre", 1}}
	w := newWorld(t, time.Now().Add(-10*time.Minute).Truncate(time.Second), tree, func(member) bool { return true }, func(m member) bool { return m.slug == "m0" }, func(member) bool { return false })
	who := "m0 " + access.Administrator
	labels := strings.Repeat("a.", 10_000)
	refused := func(what string, r request) {
		t.Helper()
		a := w.ask(who, r)
		var problem struct{ Detail string }
		if a.status < 400 || a.status >= 500 {
			t.Errorf("%s: %s %.80s is answered with %d %.200s", what, r.method, r.url, a.status, a.body)
		} else if a.status != http.StatusRequestHeaderFieldsTooLarge && (json.Unmarshal([]byte(a.body), &problem) != nil || problem.Detail == "") {
			t.Errorf("%s: %s %.80s is refused without a word: %d %.200s", what, r.method, r.url, a.status, a.body)
		}
	}
	for _, o := range w.operations() {
		if o.session() && o.body == nil {
			continue // It takes nothing.
		}
		plain := o.requests(w.began, "ind_00000000000000000000000000")[0]
		path, _, _ := strings.Cut(plain.url, "?")
		for _, p := range o.params {
			if p.In != "query" {
				continue
			}
			refused("ten thousand labels in "+p.Name, request{o.method, path + "?" + url.Values{p.Name: {labels}}.Encode(), plain.body})
			refused("a million labels in "+p.Name, request{o.method, path + "?" + url.Values{p.Name: {strings.Repeat("a.", 1_000_000)}}.Encode(), plain.body})
		}
		if o.byID() {
			refused("ten thousand labels as the id", o.requests(w.began, labels)[0])
		}
		if o.body == nil {
			continue
		}
		refused("a deep body", request{o.method, plain.url, strings.Repeat(`{"a":`, 100_000)})
		refused("deep lists", request{o.method, plain.url, strings.Repeat("[", 100_000)})
		refused("a long body", request{o.method, plain.url, `{"reason":"` + strings.Repeat("x", 300<<10) + `"}`})
		refused("no JSON", request{o.method, plain.url, string(noise(1000))})
		refused("a name that stands twice is no other", request{o.method, plain.url, `{"org":1,"org":"` + labels + `"}`})
		for name := range o.body.Properties {
			var body map[string]any
			must(t, json.Unmarshal([]byte(plain.body), &body))
			body[name] = labels
			b, err := json.Marshal(body)
			must(t, err)
			refused("ten thousand labels as "+name, request{o.method, plain.url, string(b)})
		}
	}
}
