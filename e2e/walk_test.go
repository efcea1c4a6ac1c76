package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// operation is one operation of the API, as its own description tells it.
type operation struct {
	method, path string
	params       []parameter
	body         *schema
}

type parameter struct {
	Name, In string
	Required bool
	Schema   schema
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Format     string
	Enum       []any
	Minimum    float64
	Properties map[string]schema
	Required   []string
}

// operations reads the description of the API, so that an operation of tomorrow is
// walked too.
func (p *platform) operations() (out []operation) {
	p.Helper()
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas map[string]schema }
	}
	must(p, p.API.Get(p.Context(), "/api/openapi.json", &doc))
	for path, item := range doc.Paths {
		for method, raw := range item {
			var o struct {
				Parameters  []parameter
				RequestBody struct {
					Content map[string]struct{ Schema schema }
				}
			}
			must(p, json.Unmarshal(raw, &o))
			x := operation{method: strings.ToUpper(method), path: path, params: o.Parameters}
			if c, ok := o.RequestBody.Content["application/json"]; ok {
				s := c.Schema
				if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
					s = doc.Components.Schemas[name]
				}
				for k, v := range s.Properties {
					if name, ok := strings.CutPrefix(v.Ref, "#/components/schemas/"); ok {
						s.Properties[k] = doc.Components.Schemas[name]
					}
				}
				x.body = &s
			}
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	if len(out) < 20 {
		p.Fatalf("the API describes only %d operations", len(out))
	}
	return out
}

// byID tells whether the operation is about one record.
func (o operation) byID() bool { return strings.Contains(o.path, "{") }

// session tells the operations that are about who is signed in; walking them
// would end the walk.
func (o operation) session() bool {
	return strings.HasSuffix(o.path, "/session") && o.method != http.MethodGet
}

// request is one thing to ask.
type request struct{ method, url, body string }

func (r request) String() string { return r.method + " " + r.url + " " + r.body }

// requests are what a curious reader asks of an operation about id, which may be
// a record's, an organisation's or a name's, and the queries that a hostile one
// would ask of a search.
func (o operation) requests(began time.Time, id string, hostile ...string) (out []request) {
	path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(o.path, url.PathEscape(id))
	body := ""
	if o.body != nil {
		b, _ := json.Marshal(o.body.example("", id)) // It is plain data.
		body = string(b)
	}
	plain, asking := url.Values{}, []string{}
	for _, p := range o.params {
		if p.In != "query" {
			continue
		}
		switch {
		case p.Schema.Format == "date-time": // The same span in every world.
			plain.Set(p.Name, began.Add(map[string]time.Duration{"from": -time.Hour}[p.Name]+time.Hour).UTC().Format(time.RFC3339))
		case p.Name == "q":
			asking = append(asking, "", id)
			if strings.Contains(o.path, "search") {
				asking = append(asking, hostile...)
			}
		case p.Name == "field":
			plain.Set(p.Name, "metadata.tenant_uid")
		}
		if p.Required && plain.Get(p.Name) == "" && p.Name != "q" {
			plain.Set(p.Name, fmt.Sprint(p.Schema.example(p.Name, id)))
		}
	}
	add := func(v url.Values) { out = append(out, request{o.method, path + "?" + v.Encode(), body}) }
	add(plain)
	for _, q := range asking {
		v := clone(plain)
		v.Set("q", q)
		add(v)
	}
	for _, p := range o.params { // Each other parameter on its own, with everything it may be.
		if p.In != "query" || p.Name == "q" || plain.Has(p.Name) {
			continue
		}
		for _, x := range append(p.Schema.Enum, id, "0", "999999") {
			v := clone(plain)
			v.Set(p.Name, fmt.Sprint(x))
			add(v)
		}
	}
	return out
}

func clone(v url.Values) url.Values {
	out := url.Values{}
	for k, x := range v {
		out[k] = slices.Clone(x)
	}
	return out
}

// example makes a value that the schema permits, which names id where it can.
func (s schema) example(name, id string) any {
	kind := fmt.Sprint(s.Type)
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case name == "tlp":
		return "TLP:GREEN"
	case name == "pap":
		return "PAP:GREEN"
	case strings.Contains(kind, "object") || s.Properties != nil:
		out := map[string]any{}
		for k, p := range s.Properties {
			if k != "$schema" {
				out[k] = p.example(k, id)
			}
		}
		return out
	case strings.Contains(kind, "array"):
		return []any{}
	case strings.Contains(kind, "integer"), strings.Contains(kind, "number"):
		return max(s.Minimum, 1)
	case strings.Contains(kind, "boolean"):
		return true
	case name == "observable":
		return "curious.noroshi.example"
	case name == "org":
		return id
	}
	return "x"
}

// answer is what somebody gets.
type answer struct {
	status int
	body   string
}

// without is the answer without what was asked for, which may come back.
func (a answer) without(asked string) answer {
	return answer{a.status, strings.ReplaceAll(a.body, asked, "what was asked for")}
}

func (w *world) ask(who string, r request) answer {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), r.method, "http://"+w.console+r.url, bytes.NewReader([]byte(r.body)))
	must(w, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.web[who].Do(req)
	must(w, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	must(w, err)
	return answer{resp.StatusCode, string(b)}
}

var (
	identifier = regexp.MustCompile(`\b[a-z]{3}_[0-9a-z]{26,64}\b`)
	stream     = regexp.MustCompile(`\b[0-9a-f]{48}\b`)
	peer       = regexp.MustCompile(`\b127\.0\.0\.1:\d+\b`)
	moment     = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
)

// normal is an answer without what differs between two runs of one world: random
// identifiers, ports that the system gave, the moments at which things happened,
// and the order of equals.
func (w *world) normal(a answer) string {
	w.Helper()
	text := identifier.ReplaceAllStringFunc(a.body, func(id string) string {
		if name, ok := w.names[identOf(id)]; ok {
			return name
		}
		return strings.ToUpper(id[:3])
	})
	text = peer.ReplaceAllString(text, "PEER")
	text = stream.ReplaceAllString(text, "STREAM")
	text = moment.ReplaceAllString(text, "T")
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		lines := strings.Split(text, "\n")
		slices.Sort(lines)
		return fmt.Sprint(a.status, " ", strings.Join(lines, "\n"))
	}
	b, err := json.Marshal(settle("", v))
	must(w, err)
	return fmt.Sprint(a.status, " ", string(b))
}

// settle sorts lists and levels what a clock measures.
func settle(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = settle(k, x)
		}
	case []any:
		for i, x := range v {
			v[i] = settle(name, x)
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	case nil:
		if name == "oldest_ms" { // Whether something waits differs from one moment to the next.
			return "measured"
		}
	case float64:
		if strings.HasSuffix(name, "ms") || strings.HasSuffix(name, "per_second") {
			return "measured"
		}
	case string:
		if name == "next" || name == "cursor" {
			return "cursor"
		}
	}
	return v
}

func same(t *testing.T, what fmt.Stringer, a, b string) {
	t.Helper()
	if a == b {
		return
	}
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(0, i-200)
	t.Errorf("%s\n with what is foreign:    …%.500s\n as if it did not exist: …%.500s", what, a[from:], b[from:])
}
