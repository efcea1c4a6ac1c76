package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/fault"
	"noroshi/share/mail"
)

const opMail = "cli.mail"

// mailVerbs are what may be said about who gets mail, with how many words each takes.
var mailVerbs = map[string]struct {
	words int
	do    func(context.Context, *actionCommand, func() ([]string, operator.Client, error)) error
}{
	"list": {0, listMail}, "letters": {0, listLetters}, "add": {1, addMail}, "stop": {1, turnMail(mail.Stopped)}, "start": {1, turnMail(mail.Active)}, "remove": {1, removeMail},
	"test": {1, doMail("recipients", "test")}, "retry": {1, doMail("letters", "retry")}, "discard": {1, doMail("letters", "discard")},
}

func runMail(ctx context.Context, env *environment, args []string) error {
	if len(args) == 0 || mailVerbs[args[0]].do == nil {
		return fault.New(fault.Invalid, opMail, "say what: noroshi mail list, add ADDRESS --org SLUG, stop RECIPIENT, start RECIPIENT, remove RECIPIENT, test RECIPIENT, letters, retry LETTER or discard LETTER")
	}
	verb := mailVerbs[args[0]]
	c := asking(env, "mail "+args[0])
	return verb.do(ctx, c, func() ([]string, operator.Client, error) {
		rest, err := anyOrder(c.fs, args[1:])
		if err == nil && len(rest) != verb.words {
			err = fault.New(fault.Invalid, opMail, "noroshi mail %s takes %d words beside its flags; --help shows these", args[0], verb.words)
		}
		if err != nil {
			return nil, operator.Client{}, err
		}
		hub, err := c.get(ctx)
		return rest, hub, err
	})
}

// recipients asks who gets mail.
func recipients(ctx context.Context, hub operator.Client, state string) (m api.Mail, err error) {
	path := "/api/v1/mail?limit=500"
	if state != "" {
		path += "&state=" + url.QueryEscape(state)
	}
	return m, hub.Get(ctx, path, &m)
}

func listMail(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	_, hub, err := parse()
	if err != nil {
		return err
	}
	m, err := recipients(ctx, hub, "")
	if err != nil {
		return err
	}
	if done, err := c.print(m.Recipients); done {
		return err
	}
	of, err := slugs(ctx, hub)
	if err != nil {
		return err
	}
	if !m.On {
		fmt.Fprintln(c.env.out, c.in("No mail is sent: there is no relay (hub.mail.relay).", "中継サーバー(hub.mail.relay)が未設定のため、メールは送信されません。"))
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, c.in("ID\tORGANISATION\tADDRESS\tNAME\tLANGUAGE\tGETS\tSTATE\tNOT TAKEN", "識別子\t組織\t宛先\t氏名\t言語\t内容\t状態\t配信不能の理由"))
	for _, r := range m.Recipients {
		var gets []string
		if r.Actions {
			gets = append(gets, c.in("actions", "是正"))
		}
		if r.Notices {
			gets = append(gets, c.in("notices", "注意喚起"))
		}
		state := map[string]string{mail.Active: c.in("active", "配信中"), mail.Stopped: c.in("stopped", "停止")}[r.State]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, of[r.Org], plain(r.Address), plain(r.Name), r.Lang, strings.Join(gets, ", "), state, plain(r.Failed))
	}
	return fault.Wrap(opMail, t.Flush())
}

func listLetters(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	state := c.fs.String("state", "", "waiting, accepted, failed or dropped")
	_, hub, err := parse()
	if err != nil {
		return err
	}
	m, err := recipients(ctx, hub, *state)
	if err != nil {
		return err
	}
	if done, err := c.print(m.Letters); done {
		return err
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, c.in("ID\tMADE\tTO\tSTATE\tTRIES\tNEXT TRY\tWHY", "識別子\t作成\t宛先\t状態\t試行\t次の試行\t理由"))
	said := map[string]string{mail.Waiting: c.in("waiting", "送信待ち"), mail.Accepted: c.in("accepted", "送信済"), mail.Failed: c.in("failed", "配信不能"), mail.Dropped: c.in("dropped", "取りやめ")}
	for _, l := range m.Letters {
		next := ""
		if l.State == mail.Waiting {
			next = l.NextAt.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", l.ID, l.MadeAt.Local().Format("2006-01-02 15:04"), plain(l.To), said[l.State], l.Tries, next, plain(l.Why))
	}
	return fault.Wrap(opMail, t.Flush())
}

func addMail(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	slug := c.fs.String("org", "", "the organisation whose reminders and notices it is told, by its short name")
	name := c.fs.String("name", "", "what the person is called")
	language := c.fs.String("letters", "ja", "language of the letters: ja or en")
	gets := c.fs.String("gets", "actions", "actions, notices or actions,notices")
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	w := mail.Wish{Name: *name, Lang: *language, State: mail.Active}
	for g := range strings.SplitSeq(*gets, ",") {
		switch strings.TrimSpace(g) {
		case "actions":
			w.Actions = true
		case "notices":
			w.Notices = true
		default:
			return fault.New(fault.Invalid, opMail, "--gets takes actions, notices or both, parted by a comma")
		}
	}
	id, err := bySlug(ctx, hub, *slug)
	if err != nil {
		return err
	}
	var r mail.Recipient
	body := map[string]any{"org": id, "address": rest[0], "name": w.Name, "lang": w.Lang, "actions": w.Actions, "notices": w.Notices, "state": w.State}
	if err := hub.Post(ctx, "/api/v1/mail/recipients", body, &r); err != nil {
		return err
	}
	return c.said(r, "%s gets mail as %s\n", "%s を %s として登録しました\n", r.Address, string(r.ID))
}

// turnMail stops mail to a recipient, or begins it again.
func turnMail(state string) func(context.Context, *actionCommand, func() ([]string, operator.Client, error)) error {
	return func(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
		rest, hub, err := parse()
		if err != nil {
			return err
		}
		m, err := recipients(ctx, hub, "")
		if err != nil {
			return err
		}
		for _, r := range m.Recipients {
			if string(r.ID) != rest[0] && r.Address != rest[0] {
				continue
			}
			body := map[string]any{"version": r.Version, "name": r.Name, "lang": r.Lang, "actions": r.Actions, "notices": r.Notices, "state": state}
			if err := hub.Put(ctx, "/api/v1/mail/recipients/"+url.PathEscape(string(r.ID)), body, &r); err != nil {
				return err
			}
			if err := c.said(r, map[string]string{mail.Stopped: "%s gets no mail any more\n", mail.Active: "%s gets mail\n"}[state], map[string]string{mail.Stopped: "%s への配信を停止しました\n", mail.Active: "%s への配信を始めました\n"}[state], r.Address+" ("+string(r.ID)+")"); err != nil {
				return err
			}
			rest = append(rest, string(r.ID))
		}
		if len(rest) == 1 {
			return fault.New(fault.NotFound, opMail, "nobody on the list is %q; noroshi mail list shows them", rest[0])
		}
		return nil
	}
}

func removeMail(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	if err := hub.Post(ctx, "/api/v1/mail/recipients/"+url.PathEscape(rest[0])+"/remove", nil, nil); err != nil {
		return err
	}
	return c.said(map[string]string{"removed": rest[0]}, "%s is off the list\n", "%s を一覧から外しました\n", rest[0])
}

// doMail makes the verbs that name a recipient or a letter and nothing else.
func doMail(of, verb string) func(context.Context, *actionCommand, func() ([]string, operator.Client, error)) error {
	return func(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
		rest, hub, err := parse()
		if err != nil {
			return err
		}
		var l mail.Letter
		if err := hub.Post(ctx, "/api/v1/mail/"+of+"/"+url.PathEscape(rest[0])+"/"+verb, nil, &l); err != nil {
			return err
		}
		return c.said(l, "letter %s to %s: %s\n", "メール %s(%s): %s\n", string(l.ID), l.To, l.State)
	}
}
