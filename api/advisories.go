package api

import (
	"context"
	"net/http"

	"noroshi/access"
	"noroshi/analyse/systems"
)

func (a *API) advisories() {
	register(a, op{"advisories", http.MethodGet, "/advisories", "The feeds of advisories, with what is believed of each and what waits for a person", access.ViewSystems},
		func(ctx context.Context, s access.Scope, in *struct {
			Cursor string `query:"cursor" maxLength:"200"`
			Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
		}) (*struct{ Body systems.FeedPage }, error) {
			p, err := a.b.Systems.Feeds(ctx, s, in.Cursor, in.Limit)
			return &struct{ Body systems.FeedPage }{p}, err
		})
	register(a, op{"advisory-load", http.MethodPost, "/advisories/{feed}", "Load a zip file of OSV advisories as the new state of a feed, or one advisory in JSON", access.ManageAdvisories},
		func(ctx context.Context, s access.Scope, in *struct {
			FeedInput
			RawBody []byte `contentType:"application/octet-stream"`
		}) (*feedBody, error) {
			f, err := a.b.Systems.Load(ctx, s, in.Feed, in.Feed, in.RawBody)
			return &feedBody{f}, err
		}, large(systems.MaxFeed))
	register(a, op{"advisory-accept", http.MethodPost, "/advisories/{feed}/accept", "Believe what waits of a feed", access.ManageAdvisories},
		func(ctx context.Context, s access.Scope, in *struct {
			FeedInput
			Body struct {
				Version int64 `json:"version" doc:"the version that was looked at"`
			}
		}) (*feedBody, error) {
			f, err := a.b.Systems.Accept(ctx, s, in.Feed, in.Body.Version)
			return &feedBody{f}, err
		})
}

// FeedInput names a feed in a path.
type FeedInput struct {
	Feed string `path:"feed" maxLength:"128"`
}

type feedBody struct{ Body systems.Feed }
