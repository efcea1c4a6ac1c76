package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"os"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/share/mail"
	"noroshi/status"
)

// post makes the stage that brings people by mail what waits for them.
func (h *hub) post(context.Context) error {
	c := h.cfg.Hub.Mail
	cfg := mail.Config{From: c.From, Contact: c.Contact, PerMinute: c.PerMinute, Hour: c.Hour, Zone: time.UTC, Link: h.public}
	if c.Relay != "" {
		var err error
		if cfg.Relay, err = h.relay(); err != nil {
			return err
		}
		if cfg.Zone, err = time.LoadLocation(c.Zone); err != nil {
			return fault.Wrap("app.mail", err)
		}
		root, _ := h.orgs.Current().Get(h.root())
		cfg.FromName = "Noroshi " + root.Name
	}
	var err error
	h.mail, err = mail.New(cfg, mail.Deps{DB: h.db, Reminders: h.reminded, Notices: handout{h}, Tree: h.orgs.Current, Now: time.Now, Ident: h.deps.Ident, Log: h.log})
	return err
}

// maxSecret bounds the files of a password and of authorities.
const maxSecret = 1 << 20

// relay reads what the configuration names.
func (h *hub) relay() (r mail.Relay, err error) {
	const op = "app.mail"
	c := h.cfg.Hub.Mail
	r = mail.Relay{Addr: c.Relay, Security: c.TLS, User: c.User, Hello: "localhost"}
	if name := hubName(); strings.Contains(name, ".") {
		r.Hello = name
	}
	read := func(key, name string) ([]byte, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, fault.As(fault.NotFound, op, err, "%s cannot be read (hub.mail.%s)", name, key)
		}
		defer func() { _ = f.Close() }() // It was only read.
		return io.ReadAll(io.LimitReader(f, maxSecret))
	}
	if c.PasswordFile != "" {
		b, err := read("password_file", c.PasswordFile)
		if err != nil {
			return r, err
		}
		r.Password = strings.TrimRight(string(b), "\r\n")
	}
	if c.Authorities != "" {
		b, err := read("authorities", c.Authorities)
		if err != nil {
			return r, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(b) {
			return r, fault.New(fault.Invalid, op, "%s holds no certificate (hub.mail.authorities)", c.Authorities)
		}
		r.Trust = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return r, nil
}

// reminded says of which actions an organisation was reminded. What is rehearsed is
// mailed to nobody.
func (h *hub) reminded(ctx context.Context, told ident.ID, from, to time.Time) ([]mail.Reminder, error) {
	list, err := h.actions.ToldTo(ctx, access.Hub(h.orgs.Current(), "mail"), told, from, to)
	var out []mail.Reminder
	for _, x := range list {
		if w := x.Live.Weakness; x.Live.Realm == label.Real {
			asset := w.Asset.Name
			if asset == "" {
				asset = w.Asset.Key
			}
			out = append(out, mail.Reminder{Action: x.Action, At: x.At, Org: x.Org, Kind: x.Kind, Due: x.Due, Title: w.Title, TitleJA: w.TitleJA, Asset: asset, KEV: w.Threat.KEV, Assignee: x.Assignee})
		}
	}
	return out, err
}

// handout lets mail take the notices that providers are to hand on.
type handout struct{ h *hub }

func (o handout) Waiting(ctx context.Context, org ident.ID, after mail.Made, before time.Time, most int) (out []mail.Made, err error) {
	list, err := o.h.notices.Waiting(ctx, access.Hub(o.h.orgs.Current(), "mail"), org, after.At, after.ID, before, most)
	for _, x := range list {
		out = append(out, mail.Made{At: x.MadeAt, ID: x.ID})
	}
	return out, err
}

func (o handout) Files(ctx context.Context, org ident.ID, ids []ident.ID) ([]mail.File, error) {
	table, letters, err := o.h.notices.Handout(ctx, access.Hub(o.h.orgs.Current(), "mail"), org, ids)
	return []mail.File{{Name: "notices.csv", Type: "text/csv; charset=utf-8", Content: table}, {Name: "letters.txt", Type: "text/plain; charset=utf-8", Content: letters}}, err
}

func (o handout) Sent(ctx context.Context, tx *ledger.Tx, ids []ident.ID, note string) error {
	return o.h.notices.Mailed(ctx, tx, ids, note)
}

// mailLate is from when on a letter that waits is said to be late.
const mailLate = time.Hour

// mailPart says how the mail is.
func mailPart(r *readings) status.Part {
	x := r.mail
	p := status.Part{Kind: status.KindMail, Name: "mail", Rows: "/actions", Why: status.Say("What waits for people is mailed to them once a day.", "対応が必要な件を、一日一回メールで届けています。"), Facts: []status.Fact{
		{Name: "recipients", Value: float64(x.Recipients), Unit: "count"}, {Name: "waiting", Value: float64(x.Waiting), Unit: "count"}, {Name: "failed", Value: float64(x.Failed), Unit: "count"}}}
	switch {
	case !x.On:
		p.Why = status.Say("No mail is sent: there is no relay (hub.mail.relay).", "中継サーバー(hub.mail.relay)が設定されていないため、メールは送信しません。")
	case x.Waiting > 0 && r.at.Sub(x.Oldest) > mailLate:
		p.State, p.Why = status.Slow, status.Say("Mail waits since %s: %s", "%s からメールが滞留しています: %s", x.Oldest.UTC().Format("2006-01-02 15:04 UTC"), x.Why)
		p.Do = status.Say("See whether the relay runs, and what it says.", "中継サーバーの稼働状況と応答を確認してください。")
	case x.Failed > 0:
		p.State, p.Why = status.Slow, status.Say("%d letters were not taken: %s", "%d通が配信できませんでした: %s", x.Failed, x.Why)
		p.Do = status.Say("Correct the address ('noroshi mail list', 'noroshi mail letters'), and try again ('noroshi mail retry LETTER') or give up ('noroshi mail discard LETTER').", "宛先を確認し(noroshi mail list、noroshi mail letters)、再送(noroshi mail retry)または破棄(noroshi mail discard)してください。")
	}
	return p
}
