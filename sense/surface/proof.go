package surface

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"noroshi/fault"
)

// Proof is how the owner showed control. A letter is recorded by two people; the
// name and the page carry the token of the scope, which changes with its owner
// and its ranges, and are looked at before each run.
type Proof struct {
	Kind       string   `yaml:"kind"`        // letter, dns or page
	Reference  string   `yaml:"reference"`   // of a letter: where it is kept
	RecordedBy []string `yaml:"recorded_by"` // of a letter: two people
	Name       string   `yaml:"name"`        // dns: the name with the TXT record
	URL        string   `yaml:"url"`         // page: https, on the owner's site
}

func (p Proof) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "surface.proof", format, args...)
	}
	switch p.Kind {
	case "letter":
		if strings.TrimSpace(p.Reference) == "" {
			return bad("say in reference where the signed letter is kept")
		}
		names := map[string]bool{}
		for _, n := range p.RecordedBy {
			names[strings.ToLower(strings.TrimSpace(n))] = true
		}
		if delete(names, ""); len(names) < 2 {
			return bad("a letter is recorded by two different people: recorded_by: [ONE, OTHER]")
		}
	case "dns":
		if p.Name == "" {
			return bad("say in name where the TXT record stands, such as _noroshi-scan.example.jp")
		}
	case "page":
		if u, err := url.Parse(p.URL); err != nil || u.Scheme != "https" || u.Hostname() == "" {
			return bad("url is an https address on the owner's site")
		}
	default:
		return bad("%q is not a kind of proof (letter, dns, page)", p.Kind)
	}
	return nil
}

// Token is what the owner publishes to authorise exactly these ranges.
func (s *Scope) Token() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", s.Owner)
	var lines []string
	for _, r := range s.Ranges {
		lines = append(lines, r.String())
	}
	slices.Sort(lines)
	fmt.Fprintln(h, strings.Join(lines, "\n"))
	return "noroshi-scan=" + hex.EncodeToString(h.Sum(nil)[:16])
}

// Prove looks whether the proof stands; an error says what is missing where. The
// texts of a name and a page are had by what the caller gives.
func (s *Scope) Prove(ctx context.Context, text func(ctx context.Context, name string) ([]string, error), web http.RoundTripper) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	switch s.Proof.Kind {
	case "dns":
		texts, err := text(ctx, s.Proof.Name)
		if err != nil {
			return fault.As(fault.Denied, "surface.prove", err, "the proof cannot be looked up: %v", err)
		}
		if !slices.Contains(texts, s.Token()) {
			return fault.New(fault.Denied, "surface.prove", "the name %s has no TXT record %q, which the owner publishes to authorise these ranges", s.Proof.Name, s.Token())
		}
	case "page":
		return s.provePage(ctx, web)
	}
	return nil
}

func (s *Scope) provePage(ctx context.Context, web http.RoundTripper) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Proof.URL, nil)
	if err != nil {
		return fault.Wrap("surface.prove", err)
	}
	// A redirect would let somebody else's page stand for the owner's.
	c := http.Client{Transport: web, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		return fault.As(fault.Denied, "surface.prove", err, "the proof cannot be fetched: %v", err)
	}
	defer func() { _ = resp.Body.Close() }() // It was only read.
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return fault.As(fault.Denied, "surface.prove", err, "the proof cannot be read: %v", err)
	}
	if resp.StatusCode != http.StatusOK || !slices.Contains(strings.Fields(string(b)), s.Token()) {
		return fault.New(fault.Denied, "surface.prove", "the page %s does not say %q, which the owner publishes to authorise these ranges", s.Proof.URL, s.Token())
	}
	return nil
}
