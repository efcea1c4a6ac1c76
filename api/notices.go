package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/share/notice"
)

func (a *API) notices() {
	register(a, op{"notices", http.MethodGet, "/notices", "Notices to owners of weak devices, those that were seen last first", access.ViewNotices}, a.listNotices)
	register(a, op{"notice", http.MethodGet, "/notices/{id}", "One notice in plain words, with what became of it and what was said to it", access.ViewNotices}, a.notice)
	register(a, op{"notice-letter", http.MethodGet, "/notices/{id}/letter", "The notice with the owner's link, to be handed over", access.SendNotices},
		func(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body notice.Letter }, error) {
			l, err := a.b.Notices.Letter(ctx, s, in.ID)
			return &struct{ Body notice.Letter }{l}, err
		})
	register(a, op{"notice-state", http.MethodPost, "/notices/{id}/state", "Say what became of a notice", access.SendNotices}, a.noticeState)
	register(a, op{"notice-feedback", http.MethodPost, "/notices/{id}/feedback", "Say what a provider, a maker or an owner answered", access.SendNotices},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Who     string         `json:"who" enum:"isp,maker,owner"`
				Verdict notice.Verdict `json:"verdict" enum:"useful,wrong_device,wrong_owner,already_fixed,other"`
				Words   string         `json:"words,omitempty" maxLength:"1000"`
			}
		}) (*struct{}, error) {
			return nil, a.b.Notices.Say(ctx, s, in.ID, in.Body.Who, in.Body.Verdict, in.Body.Words)
		})
	register(a, op{"send-notices", http.MethodPost, "/notices/send", "Mark the notices of a provider that wait as sent, at most 500 at once", access.SendNotices}, a.sendNotices)
	register(a, op{"export-notices", http.MethodGet, "/notices/export.csv", "Notices as a table for the provider: address, ports and times to find the subscriber by, and the owner's link", access.SendNotices}, a.exportNotices)
	register(a, op{"notice-figures", http.MethodGet, "/notices/figures", "The figures of a month, of each provider and of all", access.ViewNotices}, a.noticeFigures)
	register(a, op{"notice-rules", http.MethodGet, "/notices/rules", "The rules behind the notices, those that are most often wrong first", access.ViewNotices},
		func(ctx context.Context, s access.Scope, _ *struct{}) (*struct{ Body Items[notice.Rule] }, error) {
			list, err := a.b.Notices.Rules(ctx, s)
			return items(list), err
		})
	register(a, op{"notice-looks", http.MethodGet, "/notices/looks", "What owners asked to look at again, for the scanner", access.ReportSurveys},
		func(ctx context.Context, s access.Scope, _ *struct{}) (*struct{ Body Items[notice.Look] }, error) {
			list, err := a.b.Notices.Looks(ctx, s)
			return items(list), err
		})
	register(a, op{"notice-survey", http.MethodPost, "/notices/surveys", "Hand in a survey of devices: notices are made, refreshed and closed, and so are the actions", access.ReportSurveys},
		func(ctx context.Context, s access.Scope, in *struct{ Body notice.Report }) (*struct{ Body notice.Outcome }, error) {
			out, err := a.b.Notices.Take(ctx, s, in.Body)
			return &struct{ Body notice.Outcome }{out}, err
		}, func(o *huma.Operation) { o.MaxBodyBytes = surveyBytes })
}

// NoticeChoice chooses notices.
type NoticeChoice struct {
	Group string   `query:"group" enum:"infected,firmware,exposed"`
	Org   ident.ID `query:"org" maxLength:"64" doc:"of this provider"`
}

type noticesInput struct {
	ListInput
	NoticeChoice
}

func (in *noticesInput) filter() notice.Filter {
	return notice.Filter{States: split[notice.State](in.State), Group: notice.Group(in.Group), Org: in.Org, Realm: in.realm(), Text: in.Q, Cursor: in.Cursor, Limit: in.Limit}
}

func (a *API) listNotices(ctx context.Context, s access.Scope, in *noticesInput) (*struct {
	Body Page[notice.Notice, notice.State]
}, error) {
	p, err := a.b.Notices.List(ctx, s, in.filter())
	if err != nil {
		return nil, err
	}
	counts, err := a.b.Notices.Counts(ctx, s, in.realm())
	if p.Items == nil {
		p.Items = []notice.Notice{}
	}
	return &struct {
		Body Page[notice.Notice, notice.State]
	}{Page[notice.Notice, notice.State]{p.Items, p.Next, counts}}, err
}

// NoticeDetail is one notice with everything that is known of it.
type NoticeDetail struct {
	Notice   notice.Notice     `json:"notice"`
	Letter   notice.Letter     `json:"letter"` // without the owner's link
	History  []ledger.Change   `json:"history"`
	Feedback []notice.Feedback `json:"feedback"`
}

func (a *API) notice(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body NoticeDetail }, error) {
	var d NoticeDetail
	var err error
	if d.Notice, err = a.b.Notices.Get(ctx, s, in.ID); err != nil {
		return nil, err
	}
	d.Letter = a.b.Notices.Write(d.Notice)
	if d.History, err = a.b.Notices.History(ctx, s, in.ID); err != nil {
		return nil, err
	}
	d.Feedback, err = a.b.Notices.Said(ctx, s, in.ID)
	d.Feedback = append([]notice.Feedback{}, d.Feedback...)
	return &struct{ Body NoticeDetail }{d}, err
}

func (a *API) noticeState(ctx context.Context, s access.Scope, in *struct {
	IDInput
	Body struct {
		State   notice.State `json:"state" enum:"sent,handed,unreachable"`
		Note    string       `json:"note,omitempty" maxLength:"1000"`
		Version int64        `json:"version"`
	}
}) (*struct{ Body notice.Notice }, error) {
	x, err := a.b.Notices.SetState(ctx, s, in.ID, in.Body.Version, in.Body.State, in.Body.Note)
	return &struct{ Body notice.Notice }{x}, err
}

func (a *API) sendNotices(ctx context.Context, s access.Scope, in *struct {
	Body struct {
		Org   ident.ID    `json:"org" maxLength:"64"`
		Realm label.Realm `json:"realm"`
	}
}) (*struct{ Body Items[notice.Notice] }, error) {
	list, err := a.b.Notices.Send(ctx, s, in.Body.Org, in.Body.Realm)
	if err != nil {
		return nil, err
	}
	return items(list), nil
}

func (a *API) exportNotices(ctx context.Context, s access.Scope, in *struct {
	State string `query:"state" maxLength:"100" doc:"one or more, separated by commas"`
	Realm string `query:"realm" enum:"real,exercise"`
	Q     string `query:"q" maxLength:"300"`
	NoticeChoice
}) (*struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	Body               []byte
}, error) {
	choice := noticesInput{ListInput{State: in.State, Realm: in.Realm, Q: in.Q}, in.NoticeChoice}
	b, err := a.b.Notices.Export(ctx, s, choice.filter())
	if err != nil {
		return nil, err
	}
	return &struct {
		ContentType        string `header:"Content-Type"`
		ContentDisposition string `header:"Content-Disposition"`
		Body               []byte
	}{"text/csv; charset=utf-8", `attachment; filename="notices.csv"`, b}, nil
}

func (a *API) noticeFigures(ctx context.Context, s access.Scope, in *struct {
	Month string `query:"month" maxLength:"7" doc:"such as 2026-11; this month when left out"`
	Realm string `query:"realm" enum:"real,exercise" default:"real"`
}) (*struct{ Body notice.Month }, error) {
	if in.Month == "" {
		in.Month = a.b.Now().In(a.b.Notices.Zone()).Format("2006-01")
	}
	realm, _ := label.ParseRealm(in.Realm) // The enumeration is checked.
	m, err := a.b.Notices.Figures(ctx, s, in.Month, realm)
	return &struct{ Body notice.Month }{m}, err
}
