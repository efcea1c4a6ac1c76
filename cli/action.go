package cli

import (
	"context"
	"flag"
	"net/url"
	"slices"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/ident"
)

const opAction = "cli.action"

// actionCommand is what may be said to a running hub about what must be done, and
// about what it is found in.
type actionCommand struct {
	env    *environment
	fs     *flag.FlagSet
	get    func(ctx context.Context) (operator.Client, error)
	id     string // the action that the verb is about
	asJSON *bool
	lang   *string
}

var actionVerbs = map[string]func(context.Context, *actionCommand, []string) error{
	"list": listActions, "show": showAction, "assign": assignAction, "claim": sayAction("claim", false), "comment": sayAction("comment", true),
	"except": untilAction("except"), "refute": untilAction("refute"), "approve": sayAction("approve", false), "refuse": sayAction("refuse", true),
	"owner": ownAction, "figures": showFigures, "submit": submitSurvey,
}

// aboutAll are the verbs that name no action.
var aboutAll = []string{"list", "figures", "submit"}

func runAction(ctx context.Context, env *environment, args []string) error {
	if len(args) == 0 || actionVerbs[args[0]] == nil {
		return fault.New(fault.Invalid, opAction, "say what: noroshi action list, show ID, assign ID --to WHO, claim ID, comment ID, except ID, approve ID, refuse ID, refute ID, owner ID --org SLUG, figures or submit FILE")
	}
	verb, rest := args[0], args[1:]
	c := asking(env, "action "+verb)
	if !slices.Contains(aboutAll, verb) {
		if len(rest) == 0 || strings.HasPrefix(rest[0], "-") && rest[0] != "-h" && rest[0] != "--help" {
			return fault.New(fault.Invalid, opAction, "say which: noroshi action %s ID", verb)
		}
		if !strings.HasPrefix(rest[0], "-") {
			c.id, rest = rest[0], rest[1:]
		}
	}
	return actionVerbs[verb](ctx, c, rest)
}

// asking makes a command to a running hub.
func asking(env *environment, name string) *actionCommand {
	c := &actionCommand{env: env}
	fs, get := flags(env, name)
	c.fs = fs
	c.asJSON = fs.Bool("json", false, "answer in JSON")
	c.lang = fs.String("lang", "en", "language of the sentences: en or ja")
	c.get = func(context.Context) (operator.Client, error) {
		if *c.lang != "en" && *c.lang != "ja" {
			return operator.Client{}, fault.New(fault.Invalid, opAction, "--lang takes en or ja")
		}
		cfg, err := get()
		return operator.Dial(app.Socket(cfg.DataDir)), err
	}
	return c
}

// in chooses the language.
func (c *actionCommand) in(en, ja string) string {
	if *c.lang == "ja" && ja != "" {
		return ja
	}
	return en
}

// hub reads the flags and reaches the hub.
func (c *actionCommand) hub(ctx context.Context, args []string) (operator.Client, error) {
	if err := parse(c.fs, args); err != nil {
		return operator.Client{}, err
	}
	return c.get(ctx)
}

// do works on the action as it is now, and shows what became of it.
func (c *actionCommand) do(ctx context.Context, hub operator.Client, verb string, body map[string]any) error {
	var d api.ActionDetail
	path := "/api/v1/actions/" + url.PathEscape(c.id)
	if err := hub.Get(ctx, path, &d); err != nil {
		return err
	}
	body["version"] = d.Action.Version
	var a action.Action
	if err := hub.Post(ctx, path+"/"+verb, body, &a); err != nil {
		return err
	}
	return c.show(api.ActionDetail{Action: a})
}

func assignAction(ctx context.Context, c *actionCommand, args []string) error {
	to := c.fs.String("to", "", "the person or team that does it; empty takes it back")
	hub, err := c.hub(ctx, args)
	if err != nil {
		return err
	}
	return c.do(ctx, hub, "assign", map[string]any{"assignee": *to})
}

// sayAction makes the verbs that take nothing but a reason.
func sayAction(verb string, needed bool) func(context.Context, *actionCommand, []string) error {
	return func(ctx context.Context, c *actionCommand, args []string) error {
		reason := c.fs.String("reason", "", "what is to be said about it")
		hub, err := c.hub(ctx, args)
		if err != nil {
			return err
		}
		if needed && *reason == "" {
			return fault.New(fault.Invalid, opAction, "say it: --reason TEXT")
		}
		return c.do(ctx, hub, verb, map[string]any{"reason": *reason})
	}
}

// untilAction makes the verbs that hold until a day.
func untilAction(verb string) func(context.Context, *actionCommand, []string) error {
	return func(ctx context.Context, c *actionCommand, args []string) error {
		reason := c.fs.String("reason", "", "why")
		day := c.fs.String("until", "", "the day on which it ends, such as 2027-03-31; within a year")
		hub, err := c.hub(ctx, args)
		if err != nil {
			return err
		}
		until, err := time.ParseInLocation(time.DateOnly, *day, time.Local)
		if err != nil || *reason == "" {
			return fault.New(fault.Invalid, opAction, "say why and until when: --reason TEXT --until 2027-03-31")
		}
		return c.do(ctx, hub, verb, map[string]any{"reason": *reason, "until": until})
	}
}

func ownAction(ctx context.Context, c *actionCommand, args []string) error {
	slug := c.fs.String("org", "", "the organisation whose it is, by its short name")
	reason := c.fs.String("reason", "", "how that is known")
	hub, err := c.hub(ctx, args)
	if err != nil {
		return err
	}
	var id ident.ID
	if id, err = bySlug(ctx, hub, *slug); err != nil {
		return err
	}
	return c.do(ctx, hub, "owner", map[string]any{"org": id, "reason": *reason})
}
