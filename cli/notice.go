package cli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/share/notice"
)

const opNotice = "cli.notice"

// noticeCommand is what may be said to a running hub about notices.
type noticeCommand struct {
	env    *environment
	fs     *flag.FlagSet
	id     string
	asJSON *bool
	lang   *string
	slug   *string
	realm  *string
	data   string // the data folder
	reach  func() (operator.Client, error)
}

var noticeVerbs = map[string]func(context.Context, *noticeCommand, []string) error{
	"list": listNotices, "show": showNotice, "letter": letterOf, "mark": markNotice, "answer": answerNotice,
	"send": sendNotices, "export": exportNotices, "figures": noticeFigures, "rules": noticeRules,
	"survey": surveyDevices, "infected": surveyInfected, "looks": lookAgain,
}

// aboutOne are the verbs that name a notice, or a file.
var aboutOne = map[string]string{"show": "ID", "letter": "ID", "mark": "ID", "answer": "ID", "survey": "FILE"}

func runNotice(ctx context.Context, env *environment, args []string) error {
	if len(args) == 0 || noticeVerbs[args[0]] == nil {
		return fault.New(fault.Invalid, opNotice, "say what: noroshi notice survey FILE --scope SCOPE, infected, list, show ID, send --org SLUG, export, letter ID, mark ID --state STATE, answer ID, looks --scope SCOPE, figures or rules")
	}
	verb, rest := args[0], args[1:]
	fs, get := flags(env, "notice "+verb)
	c := &noticeCommand{env: env, fs: fs, asJSON: fs.Bool("json", false, "answer in JSON"), lang: fs.String("lang", "en", "language of the sentences: en or ja"),
		slug: fs.String("org", "", "the provider, or of a survey who looks, by its short name"), realm: fs.String("realm", "real", "real or exercise")}
	if what := aboutOne[verb]; what != "" {
		if len(rest) == 0 || strings.HasPrefix(rest[0], "-") && rest[0] != "-" && rest[0] != "-h" && rest[0] != "--help" {
			return fault.New(fault.Invalid, opNotice, "say which: noroshi notice %s %s", verb, what)
		}
		if !strings.HasPrefix(rest[0], "-") || rest[0] == "-" {
			c.id, rest = rest[0], rest[1:]
		}
	}
	c.reach = func() (operator.Client, error) {
		if *c.lang != "en" && *c.lang != "ja" {
			return operator.Client{}, fault.New(fault.Invalid, opNotice, "--lang takes en or ja")
		}
		cfg, err := get()
		c.data = cfg.DataDir
		return operator.Dial(app.Socket(cfg.DataDir)), err
	}
	return noticeVerbs[verb](ctx, c, rest)
}

// hub reads the flags and reaches the hub.
func (c *noticeCommand) hub(args []string) (operator.Client, error) {
	if err := parse(c.fs, args); err != nil {
		return operator.Client{}, err
	}
	return c.reach()
}

func (c *noticeCommand) in(en, ja string) string {
	if *c.lang == "ja" {
		return ja
	}
	return en
}

// print writes v as JSON if that is asked for.
func (c *noticeCommand) print(v any) (bool, error) {
	if !*c.asJSON {
		return false, nil
	}
	e := json.NewEncoder(c.env.out)
	e.SetIndent("", "  ")
	return true, fault.Wrap(opNotice, e.Encode(v))
}

func (c *noticeCommand) path(rest string) string {
	return "/api/v1/notices/" + url.PathEscape(c.id) + rest
}

// choice are the flags that choose notices.
func (c *noticeCommand) choice(ctx context.Context, args []string) (operator.Client, url.Values, error) {
	q := url.Values{}
	for name, help := range map[string]string{"state": "states, parted by commas: made, sent, handed, checked, unreachable, fixed", "group": "infected, firmware or exposed", "q": "text in the device or what is weak"} {
		c.fs.Func(name, help, func(v string) error { q.Set(name, v); return nil })
	}
	hub, err := c.hub(args)
	if err != nil {
		return hub, nil, err
	}
	q.Set("realm", *c.realm)
	if *c.slug != "" {
		id, err := bySlug(ctx, hub, *c.slug)
		if err != nil {
			return hub, nil, err
		}
		q.Set("org", string(id))
	}
	return hub, q, nil
}

func listNotices(ctx context.Context, c *noticeCommand, args []string) error {
	limit := c.fs.Int("limit", 50, "how many, up to 500")
	cursor := c.fs.String("cursor", "", "where the page before ended")
	hub, q, err := c.choice(ctx, args)
	if err != nil {
		return err
	}
	q.Set("limit", strconv.Itoa(*limit))
	q.Set("cursor", *cursor)
	var p api.Page[notice.Notice, notice.State]
	if err := hub.Get(ctx, "/api/v1/notices?"+q.Encode(), &p); err != nil {
		return err
	}
	if done, err := c.print(p); done {
		return err
	}
	w := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.in("NOTICE\tSTATE\tKIND\tLEVEL\tADDRESS\tDEVICE\tLAST SEEN", "番号\t状態\t種類\t重大度\tアドレス\t機器\t最終確認"))
	for _, x := range p.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.State, x.Group, x.Level(), x.Device.Address, plain(orDash(c.in(x.Device.Name, x.Device.NameJA))), x.LastSeen.Local().Format(time.DateTime))
	}
	if err := w.Flush(); err != nil {
		return fault.Wrap(opNotice, err)
	}
	for _, st := range notice.States {
		fmt.Fprintf(c.env.out, "%s %d  ", st, p.Counts[st])
	}
	fmt.Fprintln(c.env.out)
	if p.Next != "" {
		fmt.Fprintf(c.env.out, "--cursor %s\n", p.Next)
	}
	return nil
}

func showNotice(ctx context.Context, c *noticeCommand, args []string) error {
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	var d api.NoticeDetail
	if err := hub.Get(ctx, c.path(""), &d); err != nil {
		return err
	}
	if done, err := c.print(d); done {
		return err
	}
	side := d.Letter.EN
	if *c.lang == "ja" {
		side = d.Letter.JA
	}
	fmt.Fprintln(c.env.out, side.Text())
	for _, h := range d.History {
		fmt.Fprintf(c.env.out, "%s  %s  %s\n", h.At.Local().Format(time.DateTime), h.Action, h.Actor)
	}
	for _, f := range d.Feedback {
		fmt.Fprintf(c.env.out, "%s  %s: %s %s\n", f.At.Local().Format(time.DateTime), f.Who, f.Verdict, plain(f.Words))
	}
	return nil
}

// letterOf prints what goes to the owner, link and all.
func letterOf(ctx context.Context, c *noticeCommand, args []string) error {
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	var l notice.Letter
	if err := hub.Get(ctx, c.path("/letter"), &l); err != nil {
		return err
	}
	if done, err := c.print(l); done {
		return err
	}
	_, err = fmt.Fprint(c.env.out, c.in(l.EN.Text(), l.JA.Text()))
	return fault.Wrap(opNotice, err)
}

func markNotice(ctx context.Context, c *noticeCommand, args []string) error {
	state := c.fs.String("state", "", "sent, handed or unreachable")
	note := c.fs.String("note", "", "what there is to say about it")
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	var d api.NoticeDetail
	if err := hub.Get(ctx, c.path(""), &d); err != nil {
		return err
	}
	var x notice.Notice
	if err := hub.Post(ctx, c.path("/state"), map[string]any{"state": *state, "note": *note, "version": d.Notice.Version}, &x); err != nil {
		return err
	}
	if done, err := c.print(x); done {
		return err
	}
	fmt.Fprintf(c.env.out, c.in("%s is %s now\n", "%s の状態:%s\n"), x.ID, x.State)
	return nil
}

func answerNotice(ctx context.Context, c *noticeCommand, args []string) error {
	who := c.fs.String("who", "isp", "whose words: isp, maker or owner")
	verdict := c.fs.String("verdict", "", "useful, wrong_device, wrong_owner, already_fixed or other")
	words := c.fs.String("words", "", "in their words")
	hub, err := c.hub(args)
	if err != nil {
		return err
	}
	return hub.Post(ctx, c.path("/feedback"), map[string]any{"who": *who, "verdict": *verdict, "words": *words}, nil)
}
