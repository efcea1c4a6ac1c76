package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/label"
)

const cookieName = "noroshi_session"

func writeJSON(w io.Writer, v any) {
	// The reader may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(v)
}

// Session is who is signed in.
type Session struct {
	Person struct {
		ID   ident.ID `json:"id"`
		Name string   `json:"name"`
	} `json:"person"`
	Roles        []string `json:"roles"`
	Organisation struct {
		ID     ident.ID `json:"id"`
		Name   string   `json:"name"`
		NameJA string   `json:"name_ja"`
	} `json:"organisation"`
	Realm   label.Realm `json:"realm"`
	Version string      `json:"version"`
}

type sessionOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Session
}

func (a *API) sessions() {
	register(a, op{"sign-in", http.MethodPost, "/session", "Sign in with a one-time link", public}, a.signIn)
	register(a, op{"session", http.MethodGet, "/session", "Who is signed in", public},
		func(ctx context.Context, _ access.Scope, _ *struct{}) (*struct{ Body Session }, error) {
			p, err := principalOf(ctx)
			if err != nil {
				return nil, err
			}
			return &struct{ Body Session }{a.session(p)}, nil
		})
	register(a, op{"sign-out", http.MethodDelete, "/session", "Sign out", public}, a.signOut)
}

type signInInput struct {
	Body struct {
		Link string `json:"link" maxLength:"200" doc:"the secret of the one-time link"`
	}
}

func (a *API) signIn(ctx context.Context, _ access.Scope, in *signInInput) (*sessionOutput, error) {
	secret, p, err := a.b.People.SignIn(ctx, in.Body.Link)
	if err != nil {
		return nil, err
	}
	return &sessionOutput{SetCookie: a.cookie(secret, 12*time.Hour), Body: a.session(p)}, nil
}

type cookieInput struct {
	Session http.Cookie `cookie:"noroshi_session"`
}

func (a *API) signOut(ctx context.Context, _ access.Scope, in *cookieInput) (*struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}, error) {
	if err := a.b.People.SignOut(ctx, in.Session.Value); err != nil {
		return nil, err
	}
	return &struct {
		SetCookie http.Cookie `header:"Set-Cookie"`
	}{a.cookie("", -time.Second)}, nil
}

func (a *API) cookie(value string, life time.Duration) http.Cookie {
	return http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, Secure: a.b.SecureCookies,
		SameSite: http.SameSiteStrictMode, MaxAge: int(life.Seconds())}
}

func (a *API) session(p access.Principal) Session {
	s := Session{Realm: label.Real, Version: a.b.Version, Roles: []string{}}
	s.Person.ID, s.Person.Name = p.ID, p.Name
	tree := a.b.Tree()
	for _, o := range tree.All() { // The first in the order of making is the highest.
		if roles, ok := p.Roles[o.ID]; ok {
			s.Roles = roles
			s.Organisation.ID, s.Organisation.Name, s.Organisation.NameJA = o.ID, o.Name, o.NameJA
			break
		}
	}
	return s
}
