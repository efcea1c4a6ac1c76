package discover

import (
	"context"
	"slices"
	"strconv"
	"strings"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
	"noroshi/observable"
)

// wildcard is what a domain answers for names that nobody has.
type wildcard struct {
	says   string // "" when it does not answer
	varies bool   // it does not answer twice the same, so no guess can be told from it
}

// guess tries names that hosts are often called, and neighbours of known names.
func (w *walker) guess(ctx context.Context) error {
	if w.o.Resolver == "" {
		return nil
	}
	known := w.sorted()
	for _, d := range w.domains {
		for _, l := range w.o.Labels {
			if err := w.try(ctx, l+"."+d); err != nil {
				return err
			}
		}
	}
	for _, c := range known {
		if c.Asset.Kind != observable.Domain || c.ThirdParty {
			continue
		}
		label, parent, _ := strings.Cut(c.Asset.Value, ".")
		for _, v := range variants(label) {
			if err := w.try(ctx, v+"."+parent); err != nil {
				return err
			}
		}
	}
	return nil
}

// try asks for a guessed name, and believes the answer when the domain does not
// give the same to names that nobody has.
func (w *walker) try(ctx context.Context, guess string) error {
	name, ok := named(guess)
	_, parent, _ := strings.Cut(name, ".")
	if !ok || w.queued[name] || !w.own(parent) {
		return nil
	}
	wild, err := w.wildcardOf(ctx, parent)
	if err != nil || wild.varies {
		return err
	}
	says, x, err := w.says(ctx, name)
	if err != nil || says == "" || says == wild.says {
		return err
	}
	return w.name(name, 1, w.a.evidence(x, discovery.Permutation, parent, says))
}

// wildcardOf asks a domain for two names that nobody has.
func (w *walker) wildcardOf(ctx context.Context, domain string) (*wildcard, error) {
	if x := w.wild[domain]; x != nil {
		return x, nil
	}
	first, _, err := w.says(ctx, w.o.Random()+"."+domain)
	if err != nil {
		return nil, err
	}
	second, _, err := w.says(ctx, w.o.Random()+"."+domain)
	if err != nil {
		return nil, err
	}
	x := &wildcard{first, first != second}
	if w.wild[domain] = x; x.varies || x.says != "" {
		w.note("%s answers for any name (wildcard); guesses that get the same answer are not believed", domain)
	}
	return x, nil
}

// says is what a name leads to, in an order of its own; "" for nothing.
func (w *walker) says(ctx context.Context, name string) (string, *answer, error) {
	var list []string
	var from *answer
	for _, kind := range []uint16{wire.TypeA, wire.TypeAAAA} {
		x, err := w.a.ask(ctx, name, kind)
		if err != nil {
			return "", nil, err
		}
		for _, r := range x.records {
			list, from = append(list, short(r)), x
		}
		if x.absent || !x.ok || len(list) > 0 {
			break
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", "), from, nil
}

const maxVariants = 12 // of one name

// variants are labels beside a known one: other numbers, and other hyphens.
func variants(label string) []string {
	var out []string
	add := func(s string) {
		if s != "" && s != label && len(s) <= 63 && len(out) < maxVariants && !slices.Contains(out, s) && !strings.HasPrefix(s, "-") && !strings.HasSuffix(s, "-") {
			out = append(out, s)
		}
	}
	stem := strings.TrimRight(label, "0123456789")
	if digits := label[len(stem):]; digits != "" && len(digits) <= 4 {
		n, err := strconv.Atoi(digits)
		for _, m := range []int{n + 1, n - 1, n + 2} {
			if err == nil && m >= 0 {
				s := strconv.Itoa(m)
				add(stem + strings.Repeat("0", max(0, len(digits)-len(s))) + s)
			}
		}
		add(strings.TrimSuffix(stem, "-"))
	} else {
		for _, end := range []string{"1", "2", "01", "02", "-1", "-2"} {
			add(label + end)
		}
	}
	if before, after, ok := strings.Cut(label, "-"); ok {
		add(before + after)
		add(after + "-" + before)
		add(before)
		add(after)
	} else {
		for _, end := range []string{"-dev", "-test", "-stg", "-old"} {
			add(label + end)
		}
	}
	return out
}
