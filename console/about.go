package console

import (
	"context"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"noroshi/fault"
)

// AboutPath is where everybody can read who scans and why.
const AboutPath = "/about-scans"

// Scans is who scans, as the page says it.
type Scans struct {
	Operator, OperatorJA string
	Contact              string
	Addresses            []string
}

// Ask takes a request not to be scanned and returns its number.
type Ask func(ctx context.Context, prefix, contact, reason, from string) (number string, err error)

// The bounds of what everybody may send.
const (
	maxForm   = 8 << 10
	perHour   = 5      // requests of one network
	maxAskers = 10_000 // networks that are remembered
)

// about is the page.
type about struct {
	scans Scans
	ask   Ask
	now   func() time.Time

	mu   sync.Mutex
	seen map[netip.Prefix][]time.Time
}

// About serves the public page: no session, no script, in English and Japanese.
func About(s Scans, ask Ask, now func() time.Time) http.Handler {
	if s.OperatorJA == "" {
		s.OperatorJA = s.Operator
	}
	return &about{scans: s, ask: ask, now: now, seen: map[netip.Prefix][]time.Time{}}
}

// shown is what the template shows.
type shown struct {
	Scans
	JA            bool
	Path          string
	Problem, Done string
}

func (a *about) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guarded(w)
	x := shown{Scans: a.scans, JA: japanese(r), Path: AboutPath}
	code := http.StatusOK
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		var err error
		if x.Done, err = a.asked(w, r); err != nil {
			code, x.Problem = http.StatusUnprocessableEntity, fault.PublicOf(err)
			if fault.KindOf(err) == fault.Exhausted {
				code = http.StatusTooManyRequests
			}
		}
	default:
		http.Error(w, "this page is read, or its form is sent", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = aboutPage.Execute(w, x) // The reader may be gone.
}

func (a *about) asked(w http.ResponseWriter, r *http.Request) (string, error) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	from, err := netip.ParseAddr(host)
	if err != nil {
		return "", fault.Wrap("console.about", err)
	}
	if !a.room(from.Unmap()) {
		return "", fault.New(fault.Exhausted, "console.about", "too many requests came from your network; write to %s instead", a.scans.Contact)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return "", fault.As(fault.TooLarge, "console.about", err, "the form cannot be read, or is too large")
	}
	return a.ask(r.Context(), r.PostFormValue("prefix"), r.PostFormValue("contact"), r.PostFormValue("reason"), from.String())
}

// room tells whether a network may ask once more within the hour.
func (a *about) room(from netip.Addr) bool {
	bits := 24
	if from.Is6() {
		bits = 48
	}
	network, _ := from.Prefix(bits) // The lengths fit the families.
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.seen) >= maxAskers {
		for n, times := range a.seen {
			if now.Sub(times[len(times)-1]) > time.Hour {
				delete(a.seen, n)
			}
		}
		if len(a.seen) >= maxAskers {
			return false
		}
	}
	recent := []time.Time{}
	for _, t := range a.seen[network] {
		if now.Sub(t) < time.Hour {
			recent = append(recent, t)
		}
	}
	if len(recent) >= perHour {
		return false
	}
	a.seen[network] = append(recent, now)
	return true
}

// japanese is what the reader asked for, or the first of the two that the
// browser names.
func japanese(r *http.Request) bool {
	if l := r.URL.Query().Get("lang"); l != "" {
		return l == "ja"
	}
	for l := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		switch l = strings.ToLower(strings.TrimSpace(l)); {
		case strings.HasPrefix(l, "ja"):
			return true
		case strings.HasPrefix(l, "en"):
			return false
		}
	}
	return false
}

var aboutPage = template.Must(template.New("about").Parse(`<!doctype html>
<html lang="{{if .JA}}ja{{else}}en{{end}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{if .JA}}調査(スキャン)について{{else}}About our scans{{end}}</title>
<style>body{font:1rem/1.6 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}label{display:block;margin:.8rem 0 .2rem}input,textarea{font:inherit;width:100%;box-sizing:border-box;padding:.4rem;border:1px solid #666}button{font:inherit;margin-top:1rem;padding:.5rem 1rem}.said{border:2px solid #1a1a1a;padding:.6rem 1rem}</style></head><body><main>
{{if .JA}}<p><a href="{{.Path}}?lang=en" lang="en">English</a></p>
<h1>調査(スキャン)について</h1>
<p>{{.OperatorJA}}は、所有者が許可した範囲に限り、インターネットから見える機器の状態を調べています。</p>
<h2>送信元</h2><ul>{{range .Addresses}}<li><code>{{.}}</code></li>{{end}}</ul>
<h2>目的と法的根拠</h2><p>公開された弱点を早く見つけ、所有者が直せるようにするためです。範囲ごとに所有者の許可(法的根拠・期限つき)を一人が記録し、別の一人が承認しています。許可のないアドレスには一切送信しません。</p>
<h2>調べること・調べないこと</h2><p>ポートの開閉、サービスの種類と版、暗号化の設定を、通常の利用者が最初に送る内容だけで調べます。パスワードを試すこと、変更を加えること、転送先をたどることは決してありません。</p>
<h2>対象からの除外</h2><p>アドレスをお持ちの方はどなたでも除外を申し出られます。認められると、実行中の調査を含むすべての調査から直ちに除外されます。</p>
{{if .Done}}<p class="said" role="status">受け付けました。受付番号: <code>{{.Done}}</code></p>{{end}}{{if .Problem}}<p class="said" role="alert">受け付けられませんでした: <span lang="en">{{.Problem}}</span></p>{{end}}
<form method="post" action="{{.Path}}?lang=ja"><label for="p">アドレスまたは範囲(例: 192.0.2.0/24)</label><input id="p" name="prefix" required maxlength="50"><label for="c">連絡先</label><input id="c" name="contact" required maxlength="200"><label for="r">理由(任意)</label><textarea id="r" name="reason" rows="4" maxlength="1000"></textarea><button>除外を申し出る</button></form>
<h2>連絡先</h2><p>{{.Contact}}</p>
{{else}}<p><a href="{{.Path}}?lang=ja" lang="ja">日本語</a></p>
<h1>About our scans</h1>
<p>{{.Operator}} looks from the Internet at machines whose owners have authorised it, and at no others.</p>
<h2>Where they come from</h2><ul>{{range .Addresses}}<li><code>{{.}}</code></li>{{end}}</ul>
<h2>Why, and on what legal basis</h2><p>To find exposed weaknesses early, so that their owners can mend them. For each range the owner's authorisation, with its legal basis and its end, was recorded by one person and approved by another. Nothing is sent to an address without one.</p>
<h2>What is asked, and what never is</h2><p>Whether ports are open, what services they are in which version, and how they encrypt: only what any client would say first. No password is ever tried, nothing is changed, and no redirect is followed.</p>
<h2>Opting out</h2><p>Whoever holds an address may ask not to be scanned. Once granted, it is excluded from every scan at once, also from one that is under way.</p>
{{if .Done}}<p class="said" role="status">Your request was taken. Its number is <code>{{.Done}}</code>.</p>{{end}}{{if .Problem}}<p class="said" role="alert">Your request was not taken: {{.Problem}}</p>{{end}}
<form method="post" action="{{.Path}}?lang=en"><label for="p">Address or range, such as 192.0.2.0/24</label><input id="p" name="prefix" required maxlength="50"><label for="c">How to reach you</label><input id="c" name="contact" required maxlength="200"><label for="r">Reason, if you like</label><textarea id="r" name="reason" rows="4" maxlength="1000"></textarea><button>Ask not to be scanned</button></form>
<h2>Contact</h2><p>{{.Contact}}</p>
{{end}}</main></body></html>
`))
