package sigma_test

import (
	"fmt"
	"strings"
	"testing"

	"noroshi/analyse/sigma"
	"noroshi/fault"
)

// Each of these is small as a file, and would be huge in memory or in work. None
// is taken, and the reason says what is too much. TestExplosionIsRefused has those
// that are many of one thing.
func bombs() map[string]string {
	head := "title: t\nid: x\nlogsource: {category: dns_query}\n"
	detect := func(body, condition string) string {
		return head + "detection:\n" + body + "  condition: " + condition + "\n"
	}
	list := func(n int, item func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("      - '" + item(i) + "'\n")
		}
		return b.String()
	}
	laugh := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'j'; c++ {
		laugh += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	many := ""
	for i := range 9000 {
		many += fmt.Sprintf("  s%d: {a: x}\n", i)
	}
	return map[string]string{
		"a regular expression of repetitions":     detect("  s:\n    QueryName|re: '"+strings.Repeat("(?:.{100})?", 300)+"'\n", "s"),
		"many regular expressions":                detect("  s:\n    QueryName|re:\n"+list(200, func(i int) string { return fmt.Sprintf("x%d.{900}", i) }), "s"),
		"repetitions of repetitions":              detect("  s:\n    QueryName|re: '((((((a{9}){9}){9}){9}){9}){9})'\n", "s"),
		"encodings of encodings":                  detect("  s:\n    QueryName|base64offset|base64offset|base64offset|base64offset|base64offset: 'xxxxxx'\n", "s"),
		"a part that is asked a thousand times":   detect("  s:\n    QueryName:\n"+list(15_000, func(i int) string { return fmt.Sprint(i) }), strings.Repeat("s or ", 600)+"s"),
		"all parts, again and again":              detect(many, strings.TrimSuffix(strings.Repeat("1 of s* or ", 300), "or ")),
		"deep lists":                              detect("  s: "+strings.Repeat("[", 5000)+"x"+strings.Repeat("]", 5000)+"\n", "s"),
		"a deep condition":                        detect("  s: {a: x}\n", strings.Repeat("(", 1000)+"s"+strings.Repeat(")", 1000)),
		"aliases of aliases in the tags":          laugh + head + "tags: *i\ndetection:\n  s: {a: x}\n  condition: s\n",
		"aliases of aliases in the detection":     laugh + detect("  s: *i\n", "s"),
		"a thousand wrong tags":                   head + "tags: [" + strings.Repeat("{a: b}, ", 1000) + "x]\ndetection:\n  s: {a: x}\n  condition: s\n",
		"an alias of itself":                      head + "detection: &d\n  s: *d\n  condition: s\n",
		"a file that is too large":                detect("  s: {a: x}\n", "s") + "# " + strings.Repeat("x", sigma.MaxFile),
		"more documents than anybody would write": strings.Repeat(detect("  s: {a: x}\n", "s")+"---\n", 150),
	}
}

func TestARuleThatWouldExplodeIsRefused(t *testing.T) {
	for what, text := range bombs() {
		t.Run(what, func(t *testing.T) {
			_, refused := sigma.ParseAll("bomb.yml", []byte(text))
			if len(refused) == 0 {
				t.Fatal("it was taken")
			}
			err := refused[len(refused)-1].Err
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
				t.Errorf("it was refused as %s: %v", k, err)
			}
			if says := fault.PublicOf(err); !strings.Contains(says, "bomb.yml") || len(says) > 1000 {
				t.Errorf("the reason is no help: %.300s", says)
			} else {
				t.Log(says)
			}
		})
	}
}
