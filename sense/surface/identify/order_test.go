package identify

import (
	"slices"
	"testing"

	"noroshi/service"
)

// A way that answers at once writes down what it found while the others are still
// being started: the race detector sees whether they read it.
func TestTheFirstOfManyWaysIsWhatCounts(t *testing.T) {
	atOnce := way{ask: func(a *asking) bool {
		a.s.Service = "echo"
		a.tell("echo.banner", "hello")
		return true
	}}
	for range 20 {
		a := &asking{Engine: &Engine{}, ctx: t.Context(), s: service.Answer{Evidence: map[string]string{}}}
		if !a.try(slices.Repeat([]way{atOnce}, 50)) || a.s.Service != "echo" || a.s.Evidence["echo.banner"] != "hello" {
			t.Fatalf("found %+v", a.s)
		}
	}
}
