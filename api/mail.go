package api

import (
	"context"
	"net/http"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/share/mail"
)

// Mail is who gets mail, and the newest letters.
type Mail struct {
	On         bool             `json:"on" doc:"there is a relay"`
	Recipients []mail.Recipient `json:"recipients"`
	Letters    []mail.Letter    `json:"letters"`
}

type recipientBody struct{ Body mail.Recipient }

type letterBody struct{ Body mail.Letter }

// mail is who gets it, and what became of it.
func (a *API) mail() {
	register(a, op{"mail", http.MethodGet, "/mail", "Who gets mail, and the newest letters", access.ManageMail},
		func(ctx context.Context, s access.Scope, in *struct {
			State string `query:"state" enum:"waiting,accepted,failed,dropped" doc:"of the letters"`
			Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
		}) (out *struct{ Body Mail }, err error) {
			out = &struct{ Body Mail }{}
			if out.Body.Recipients, err = a.b.Mail.Recipients(ctx, s); err != nil {
				return nil, err
			}
			out.Body.On = a.b.Mail.On()
			out.Body.Letters, err = a.b.Mail.Letters(ctx, s, in.State, in.Limit)
			return out, err
		})
	register(a, op{"mail-add", http.MethodPost, "/mail/recipients", "Enter who gets mail for an organisation", access.ManageMail},
		func(ctx context.Context, s access.Scope, in *struct {
			Body struct {
				mail.Wish
				Org     ident.ID `json:"org" maxLength:"64"`
				Address string   `json:"address" maxLength:"254"`
			}
		}) (*recipientBody, error) {
			r, err := a.b.Mail.Add(ctx, s, in.Body.Org, in.Body.Address, in.Body.Wish)
			return &recipientBody{r}, err
		})
	register(a, op{"mail-change", http.MethodPut, "/mail/recipients/{id}", "Change what somebody gets, or stop it", access.ManageMail},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				mail.Wish
				Version int64 `json:"version" doc:"the version that was looked at"`
			}
		}) (*recipientBody, error) {
			r, err := a.b.Mail.Change(ctx, s, in.ID, in.Body.Version, in.Body.Wish)
			return &recipientBody{r}, err
		})
	register(a, op{"mail-remove", http.MethodPost, "/mail/recipients/{id}/remove", "Take somebody off the list", access.ManageMail},
		func(ctx context.Context, s access.Scope, in *IDInput) (*struct{}, error) {
			return nil, a.b.Mail.Remove(ctx, s, in.ID)
		})
	for verb, do := range map[string]struct {
		path, summary string
		do            func(context.Context, access.Scope, ident.ID) (mail.Letter, error)
	}{
		"test":    {"/mail/recipients/{id}/test", "Send somebody a letter that says nothing but that it came", a.b.Mail.Test},
		"retry":   {"/mail/letters/{id}/retry", "Try a letter again that failed", a.b.Mail.Retry},
		"discard": {"/mail/letters/{id}/discard", "Give a letter up that failed; notices in it stay to be sent", a.b.Mail.Discard},
	} {
		register(a, op{"mail-" + verb, http.MethodPost, do.path, do.summary, access.ManageMail},
			func(ctx context.Context, s access.Scope, in *IDInput) (*letterBody, error) {
				l, err := do.do(ctx, s, in.ID)
				return &letterBody{l}, err
			})
	}
}
