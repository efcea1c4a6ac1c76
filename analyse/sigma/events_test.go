package sigma_test

import (
	"strings"
	"testing"

	"noroshi/analyse/sigma"
	"noroshi/content"
	"noroshi/event"
)

// FuzzEvents shows the project's own rules what a node may say in an event.
func FuzzEvents(f *testing.F) {
	set := &sigma.Set{}
	if _, err := set.LoadFS(content.Rules()); err != nil {
		f.Fatal(err)
	}
	metadata := `"severity_id":1,"time":1,"metadata":{"version":"1.8.0","uid":"nod_a.1","sequence":1,"product":{"name":"","vendor_name":""},"tenant_uid":"org_a","reporter":{"uid":"nod_a"}}`
	f.Add(`{"class_uid":4003,"category_uid":4,"activity_id":6,"type_uid":400306,` + metadata + `,"query":{"hostname":"x.oast.site"}}`)
	f.Add(`{"class_uid":1007,"category_uid":1,"activity_id":1,"type_uid":100701,` + metadata + `,"device":{"type_id":1},"actor":{},"process":{"pid":1,"cmd_line":"base64 -d | sh","file":{"name":"sh","path":"/dev/shm/x"}},"unmapped":{"CommandLine":"` + strings.Repeat("-e A", 50) + `"}}`)
	f.Fuzz(func(t *testing.T, line string) {
		e, err := event.DecodeJSON([]byte(line))
		if err != nil {
			return
		}
		for _, h := range set.Match(e) {
			if h.Rule == nil || len(h.Matched) == 0 {
				t.Errorf("a rule fires and does not say on what: %+v", h)
			}
		}
	})
}
