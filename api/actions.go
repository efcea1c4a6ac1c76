package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/ident"
	"noroshi/ledger"
)

func (a *API) actions() {
	register(a, op{"actions", http.MethodGet, "/actions", "What must be done about weaknesses, the earliest date first", access.ViewActions}, a.listActions)
	register(a, op{"action", http.MethodGet, "/actions/{id}", "One action with its history", access.ViewActions}, a.action)
	register(a, op{"action-figures", http.MethodGet, "/actions/figures", "How fast weaknesses are mended: by organisation, by sector, and of all", access.ViewActions}, a.actionFigures)
	register(a, op{"action-reminders", http.MethodGet, "/actions/reminders", "Who was reminded of what, the latest first", access.ViewActions}, a.actionReminders)
	said := func(do func(context.Context, access.Scope, ident.ID, int64, string) (action.Action, error)) func(context.Context, access.Scope, *actionInput) (action.Action, error) {
		return func(ctx context.Context, s access.Scope, in *actionInput) (action.Action, error) {
			return do(ctx, s, in.ID, in.Body.Version, in.Body.Reason)
		}
	}
	register(a, op{"action-export", http.MethodGet, "/actions/export.csv", "The list as a table for a spreadsheet (UTF-8 with a byte order mark, RFC 4180)", access.ViewActions}, a.exportActions)
	worked(a, "claim", "Say that it is mended; the next survey that covers the place decides", access.WorkActions, said(a.b.Actions.Claim))
	worked(a, "comment", "Add a word to the history", access.WorkActions, said(a.b.Actions.Comment))
	worked(a, "approve", "Grant the exception that another person asked for", access.ApproveExceptions, said(a.b.Actions.Approve))
	worked(a, "refuse", "Turn the exception down that was asked for", access.ApproveExceptions, said(a.b.Actions.Refuse))
	worked(a, "assign", "Say who does it", access.WorkActions, func(ctx context.Context, s access.Scope, in *assignInput) (action.Action, error) {
		return a.b.Actions.Assign(ctx, s, in.ID, in.Body.Version, in.Body.Assignee)
	})
	worked(a, "except", "Ask that it be accepted until a moment", access.WorkActions, func(ctx context.Context, s access.Scope, in *untilInput) (action.Action, error) {
		return a.b.Actions.Except(ctx, s, in.ID, in.Body.Version, in.Body.Reason, in.Body.Until)
	})
	worked(a, "refute", "Say that it was never so, until a moment", access.WorkActions, func(ctx context.Context, s access.Scope, in *untilInput) (action.Action, error) {
		return a.b.Actions.Refute(ctx, s, in.ID, in.Body.Version, in.Body.Reason, in.Body.Until)
	})
	worked(a, "owner", "Say whose the weak thing is", access.WorkActions, func(ctx context.Context, s access.Scope, in *ownerInput) (action.Action, error) {
		return a.b.Actions.SetOwner(ctx, s, in.ID, in.Body.Version, in.Body.Org, in.Body.Reason)
	})
}

// worked registers what people do with an action.
func worked[I any](a *API, verb, summary string, may access.Action, do func(context.Context, access.Scope, *I) (action.Action, error)) {
	register(a, op{"action-" + verb, http.MethodPost, "/actions/{id}/" + verb, summary, may},
		func(ctx context.Context, s access.Scope, in *I) (*struct{ Body action.Action }, error) {
			x, err := do(ctx, s, in)
			return &struct{ Body action.Action }{x}, err
		})
}

type actionInput struct {
	IDInput
	Body struct {
		Reason  string `json:"reason" maxLength:"2000"`
		Version int64  `json:"version" doc:"the version that was looked at"`
	}
}

type assignInput struct {
	IDInput
	Body struct {
		Assignee string `json:"assignee" maxLength:"200" doc:"a person or a team; empty takes it back"`
		Version  int64  `json:"version"`
	}
}

type untilInput struct {
	IDInput
	Body struct {
		Reason  string    `json:"reason" maxLength:"2000"`
		Until   time.Time `json:"until" doc:"within a year"`
		Version int64     `json:"version"`
	}
}

type ownerInput struct {
	IDInput
	Body struct {
		Org     ident.ID `json:"org" maxLength:"64"`
		Reason  string   `json:"reason" maxLength:"2000"`
		Version int64    `json:"version"`
	}
}

// ActionChoice is what lists of actions are chosen by beside their state.
type ActionChoice struct {
	Level        string           `query:"level" enum:"low,medium,high,critical" doc:"at least"`
	Source       string           `query:"source" enum:"surface,sbom,iot"`
	Org          ident.ID         `query:"org" maxLength:"64"`
	KEV          bool             `query:"kev" doc:"known to be exploited"`
	Overdue      bool             `query:"overdue"`
	OwnerUnknown bool             `query:"owner_unknown"`
	Asked        bool             `query:"asked" doc:"an exception waits to be decided"`
	Sort         remediation.Sort `query:"sort" enum:"due,priority,seen" default:"due"`
}

type actionsInput struct {
	ListInput
	ActionChoice
}

func chosen(in ListInput, by ActionChoice) remediation.Filter {
	return remediation.Filter{States: split[action.State](in.State), Level: action.Level(by.Level), Source: action.Source(by.Source), Org: by.Org, Realm: in.realm(),
		KEV: by.KEV, Overdue: by.Overdue, OwnerUnknown: by.OwnerUnknown, Asked: by.Asked, Text: in.Q, Sort: by.Sort, Cursor: in.Cursor, Limit: in.Limit}
}

func (a *API) listActions(ctx context.Context, s access.Scope, in *actionsInput) (*struct {
	Body Page[action.Action, action.State]
}, error) {
	p, err := a.b.Actions.List(ctx, s, chosen(in.ListInput, in.ActionChoice))
	if err != nil {
		return nil, err
	}
	counts, err := a.b.Actions.Counts(ctx, s, in.Org, in.realm())
	return &struct {
		Body Page[action.Action, action.State]
	}{Page[action.Action, action.State]{p.Items, p.Next, counts}}, err
}

// ActionDetail is an action with what became of it.
type ActionDetail struct {
	Action  action.Action   `json:"action"`
	History []ledger.Change `json:"history"`
}

func (a *API) action(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body ActionDetail }, error) {
	x, err := a.b.Actions.Get(ctx, s, in.ID)
	if err != nil {
		return nil, err
	}
	h, err := a.b.Actions.History(ctx, s, in.ID)
	return &struct{ Body ActionDetail }{ActionDetail{x, h}}, err
}

type figuresInput struct {
	Org   ident.ID `query:"org" maxLength:"64"`
	Realm string   `query:"realm" enum:"real,exercise" default:"real"`
	Days  int      `query:"days" minimum:"1" maximum:"1100" default:"365" doc:"what was found, proved or due in the last days counts"`
}

func (a *API) actionFigures(ctx context.Context, s access.Scope, in *figuresInput) (*struct{ Body remediation.Report }, error) {
	rep, err := a.b.Actions.Figures(ctx, s, in.Org, ListInput{Realm: in.Realm}.realm(), in.Days)
	return &struct{ Body remediation.Report }{rep}, err
}

// Reminders is one page of reminders.
type Reminders struct {
	Items []remediation.Reminder `json:"items"`
	Next  string                 `json:"next,omitempty"`
}

func (a *API) actionReminders(ctx context.Context, s access.Scope, in *struct {
	Org    ident.ID `query:"org" maxLength:"64"`
	Cursor string   `query:"cursor" maxLength:"100"`
	Limit  int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
}) (*struct{ Body Reminders }, error) {
	p, err := a.b.Actions.Reminders(ctx, s, in.Org, in.Cursor, in.Limit)
	return &struct{ Body Reminders }{Reminders{append([]remediation.Reminder{}, p.Items...), p.Next}}, err
}

// surveyBytes is how large a survey may be.
const surveyBytes = 32 << 20

func (a *API) surveys() {
	register(a, op{"survey", http.MethodPost, "/surveys", "Hand in what a source covered and saw; the same survey again counts once", access.ReportSurveys},
		func(ctx context.Context, s access.Scope, in *struct{ Body action.Survey }) (*struct{ Body action.Outcome }, error) {
			out, err := a.b.Actions.Take(ctx, s, in.Body)
			return &struct{ Body action.Outcome }{out}, err
		}, func(o *huma.Operation) { o.MaxBodyBytes = surveyBytes })
}
