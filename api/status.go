package api

import (
	"context"
	"net/http"

	"noroshi/access"
	"noroshi/status"
)

func (a *API) status() {
	register(a, op{"status", http.MethodGet, "/status", "How far each hop of the line is behind, and why", access.ViewStatus},
		func(ctx context.Context, s access.Scope, _ *struct{}) (*struct{ Body status.Status }, error) {
			return &struct{ Body status.Status }{a.b.Status(ctx, s)}, nil
		})
}
