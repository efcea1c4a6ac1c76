package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/analyse/systems"
	"noroshi/intel"
)

// TestEveryOperationDeclaresItsAction proves that no operation is open by
// accident: each names an action, and only the session's are public.
func TestEveryOperationDeclaresItsAction(t *testing.T) {
	a := New(Backend{Version: "test", Intel: intel.New(intel.Deps{}, nil), Actions: &remediation.Remediation{}, Systems: &systems.Systems{}})
	public := map[string]bool{"sign-in": true, "session": true, "sign-out": true}
	n := 0
	for path, item := range a.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete, item.Patch} {
			if op == nil {
				continue
			}
			n++
			action, ok := op.Metadata["action"].(access.Action)
			if !ok || action == "" {
				t.Errorf("%s %s declares no action", op.Method, path)
			}
			// A part of the path that no field takes, such as one of an embedded type
			// that is not exported, would be empty for ever.
			for part := range strings.SplitSeq(path, "/") {
				if name, ok := strings.CutPrefix(part, "{"); ok && !slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "path" && p.Name == strings.TrimSuffix(name, "}") }) {
					t.Errorf("%s takes no %s", op.OperationID, part)
				}
			}
			if (action == "public") != public[op.OperationID] {
				t.Errorf("%s is public: %v", op.OperationID, action == "public")
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d operations were found", n)
	}
}
