package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"noroshi/fault"
)

func TestKindAndMessageSurviveWrapping(t *testing.T) {
	cause := errors.New("disk on fire")
	e := fault.As(fault.Exhausted, "store", cause, "the disk is full").At("line %d", 3)
	err := fault.Wrap("outer", fmt.Errorf("middle: %w", e))
	if fault.KindOf(err) != fault.Exhausted || fault.PublicOf(err) != "line 3: the disk is full" || !errors.Is(err, cause) {
		t.Errorf("%v: %s, %q", err, fault.KindOf(err), fault.PublicOf(err))
	}
	if fault.Wrap("x", nil) != nil || fault.KindOf(cause) != fault.Internal || fault.PublicOf(cause) == cause.Error() {
		t.Error("an error that nobody classified tells too much, or nothing became something")
	}
	for k, code := range map[fault.Kind]int{fault.Invalid: 2, fault.TooLarge: 2, fault.Denied: 3, fault.Unauthenticated: 3, fault.NotFound: 4, fault.Unavailable: 4, fault.Internal: 1} {
		if got := fault.ExitCode(fault.New(k, "x", "y")); got != code {
			t.Errorf("%s exits with %d", k, got)
		}
	}
	if fault.ExitCode(nil) != 0 {
		t.Error("success is a failure")
	}
}
