package surface

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"noroshi/fault"
)

func TestAProofStandsOnlyWithTheScopesToken(t *testing.T) {
	const letter = "{kind: letter, reference: drawer 3, recorded_by: [Hanako, Taro]}"
	token := scope(t).Token()
	if other := scope(t, "192.0.2.0/28", "192.0.2.0/27").Token(); other == token {
		t.Error("a wider scope has the same token")
	}
	pages := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			fmt.Fprintln(w, "Our scans:", token)
		case "/elsewhere":
			http.Redirect(w, r, "/good", http.StatusFound)
		default:
			fmt.Fprint(w, token+"0")
		}
	}))
	defer pages.Close()
	text := func(_ context.Context, name string) ([]string, error) {
		switch name {
		case "good.example":
			return []string{"v=spf1 -all", token}, nil
		case "bad.example":
			return []string{token + "0"}, nil
		}
		return nil, errors.New("no such name")
	}
	for proof, want := range map[string]bool{
		letter:                                             true,
		"{kind: dns, name: good.example}":                  true,
		"{kind: dns, name: bad.example}":                   false,
		"{kind: dns, name: other.example}":                 false,
		"{kind: page, url: '" + pages.URL + "/good'}":      true,
		"{kind: page, url: '" + pages.URL + "/bad'}":       false,
		"{kind: page, url: '" + pages.URL + "/elsewhere'}": false,
	} {
		err := scope(t, letter, proof).Prove(t.Context(), text, pages.Client().Transport)
		if (err == nil) != want || err != nil && fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: %v; want it to stand: %v", proof, err, want)
		}
	}
}
