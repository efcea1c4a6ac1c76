package observable

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPlainNamesNeedNoIDNA: what is taken as it looks is what IDNA makes of it.
func TestPlainNamesNeedNoIDNA(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "B", "xn", "XN", "0x1f", "1", "-", "--", "_", ".", ".", "com", "é", strings.Repeat("z", 62)})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(part, 1, 10).Draw(t, "parts"), "")
		if !plain(s) {
			return
		}
		got, err := toASCII(s)
		want, slow := names.ToASCII(strings.TrimSuffix(s, "."))
		want = strings.ToLower(strings.TrimSuffix(want, "."))
		if slow == nil {
			slow = checkName(want)
		}
		if again, _ := names.ToASCII(want); again != want && slow == nil {
			t.Fatalf("%q is %q, then %q", s, want, again)
		}
		if (err == nil) != (slow == nil) || (err == nil && got != want) {
			t.Fatalf("%q is %q, %v; IDNA says %q, %v", s, got, err, want, slow)
		}
	})
}
