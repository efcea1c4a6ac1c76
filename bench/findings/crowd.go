package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"

	"noroshi/access"
	"noroshi/api"
	"noroshi/bench/kit"
	"noroshi/ident"
)

// page is one kind of page, as people ask for it.
type page struct {
	name string
	at   string // centre, ministry or member
	ask  func(r *rand.Rand, c *country) string
	deep int // how many pages it is read on by the cursor
}

func plain(query string) func(*rand.Rand, *country) string {
	return func(*rand.Rand, *country) string { return query }
}

const live = "state=open,claimed,excepted&realm=real"

var pages = []page{
	{"live, by date", "centre", plain(live), 0},
	{"the page after it", "centre", plain(live), 1},
	{"ten pages on", "centre", plain(live), 10},
	{"ten pages on, by priority", "centre", plain(live + "&sort=priority"), 10},
	{"every state", "centre", plain(""), 0},
	{"open", "centre", plain("state=open"), 0},
	{"proved", "centre", plain("state=proved"), 0},
	{"claimed", "centre", plain("state=claimed"), 0},
	{"by priority", "centre", plain(live + "&sort=priority"), 0},
	{"last seen", "centre", plain(live + "&sort=seen"), 0},
	{"critical and exploited", "centre", plain(live + "&level=critical&kev=true"), 0},
	{"the same, by priority", "centre", plain(live + "&level=critical&kev=true&sort=priority"), 0},
	{"overdue", "centre", plain(live + "&overdue=true"), 0},
	{"overdue, by priority", "centre", plain(live + "&overdue=true&sort=priority"), 0},
	{"owner unknown", "centre", plain(live + "&owner_unknown=true"), 0},
	{"of one source", "centre", plain(live + "&source=sbom"), 0},
	{"of a source that saw nothing", "centre", plain(live + "&source=iot&sort=priority"), 0},
	{"one CVE", "centre", func(r *rand.Rand, c *country) string { return live + "&q=" + c.known[r.IntN(len(c.known))].Name }, 0},
	{"a product", "centre", plain(live + "&q=openssl"), 0},
	{"a flaw, by priority", "centre", plain(live + "&q=authentication+bypass&sort=priority"), 0},
	{"a text in Japanese", "centre", func(r *rand.Rand, _ *country) string {
		return live + "&q=" + url.QueryEscape(fmt.Sprintf("のモジュール %d に", r.IntN(catalogue)))
	}, 0},
	{"a word in Japanese", "centre", plain(live + "&q=" + url.QueryEscape("弱点")), 0},
	{"an address", "centre", func(r *rand.Rand, c *country) string {
		i := r.IntN(len(c.members))
		return live + "&q=" + fmt.Sprintf("10.%d.%d.%d", i/250, i%250, r.IntN(c.assets))
	}, 0},
	{"a network", "centre", plain(live + "&q=10.1."), 0},
	{"what is nowhere", "centre", plain(live + "&q=unheard-of"), 0},
	{"one organisation", "centre", func(r *rand.Rand, c *country) string {
		return live + "&org=" + string(c.members[r.IntN(len(c.members))])
	}, 0},
	{"live, by date", "ministry", plain(live), 0},
	{"critical, by priority", "ministry", plain(live + "&level=critical&sort=priority"), 0},
	{"a product", "ministry", plain(live + "&q=openssl"), 0},
	{"live, by date", "member", plain(live), 0},
	{"by priority", "member", plain(live + "&sort=priority"), 0},
	{"last seen", "member", plain("sort=seen"), 0},
	{"a product", "member", plain(live + "&q=openssl"), 0},
}

// crowd is people who read.
type crowd struct {
	c       *country
	face    *api.API
	readers int
}

func newCrowd(c *country, face *api.API, readers int) *crowd { return &crowd{c, face, readers} }

// reader is somebody who may read at one place of the tree.
func (w *crowd) reader(r *rand.Rand, at string) access.Principal {
	o := centre
	switch at {
	case "ministry":
		o = w.c.ministries[r.IntN(len(w.c.ministries))]
	case "member":
		o = w.c.members[r.IntN(len(w.c.members))]
	}
	return access.Principal{ID: ident.ID("psn_" + string(o)[4:]), Name: "reader", Roles: map[ident.ID][]string{o: {access.Viewer}}}
}

// read lets everybody read until do is done.
func (w *crowd) read(ctx context.Context, do func() error) (*times, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t := &times{of: map[string][]time.Duration{}}
	var all sync.WaitGroup
	for i := range w.readers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(500+r.IntN(1000)) * time.Millisecond):
					p := pages[r.IntN(len(pages))]
					took, err := w.open(r, p)
					t.note(p, took, err)
				}
			}
		})
	}
	err := do()
	stop()
	all.Wait()
	if err == nil {
		err = t.err
	}
	return t, err
}

// profiled reads until do is done, and keeps profiles of it.
func (w *crowd) profiled(ctx context.Context, dir, name string, do func() error) (t *times, err error) {
	err = profiled(dir, name, func() (err error) { t, err = w.read(ctx, do); return err })
	return t, err
}

// open asks for a page as the console does.
func (w *crowd) open(r *rand.Rand, p page) (time.Duration, error) {
	h := w.face.Trusted(w.reader(r, p.at))
	query := p.ask(r, w.c)
	for turn := 0; ; turn++ {
		out := httptest.NewRecorder()
		began := time.Now()
		h.ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/api/v1/actions?"+query, nil))
		took := time.Since(began)
		if out.Code != http.StatusOK {
			return 0, fmt.Errorf("%s: %d %s", p.name, out.Code, out.Body)
		}
		if turn == p.deep {
			return took, nil
		}
		var is struct{ Next string }
		if err := json.Unmarshal(out.Body.Bytes(), &is); err != nil || is.Next == "" {
			return 0, fmt.Errorf("%s: there is no page %d, %v", p.name, turn+2, err)
		}
		query += "&cursor=" + url.QueryEscape(is.Next)
	}
}

// times is how long pages took.
type times struct {
	mu  sync.Mutex
	of  map[string][]time.Duration
	err error
}

func (t *times) note(p page, took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.err = err
		return
	}
	name := p.at + ": " + p.name
	t.of[name] = append(t.of[name], took)
}

func (t *times) all() (list []time.Duration) {
	for _, l := range t.of {
		list = append(list, l...)
	}
	return list
}

func (t *times) pages() int { return len(t.all()) }

func (t *times) quantile(q float64) float64 { return kit.Milliseconds(kit.Quantile(t.all(), q)) }

func (t *times) print(when string) {
	fmt.Printf("\n%-45s %6s %8s %8s %8s\n", when, "pages", "p50 ms", "p99 ms", "max ms")
	for _, p := range pages {
		name := p.at + ": " + p.name
		l := t.of[name]
		fmt.Printf("%-45s %6d %8.1f %8.1f %8.1f\n", name, len(l), kit.Milliseconds(kit.Quantile(l, 0.5)), kit.Milliseconds(kit.Quantile(l, 0.99)), kit.Milliseconds(slices.Max(append(l, 0))))
	}
	fmt.Printf("%-45s %6d %8.1f %8.1f\n\n", "all", t.pages(), t.quantile(0.5), t.quantile(0.99))
}
