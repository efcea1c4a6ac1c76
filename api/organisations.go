package api

import (
	"context"
	"net/http"

	"noroshi/access"
	"noroshi/org"
)

// Items is a whole list.
type Items[T any] struct {
	Items []T `json:"items"`
}

// items wraps a list for an answer; nil becomes an empty list.
func items[T any](list []T) *struct{ Body Items[T] } {
	if list == nil {
		list = []T{}
	}
	return &struct{ Body Items[T] }{Items[T]{list}}
}

func (a *API) organisations() {
	register(a, op{"organisations", http.MethodGet, "/organisations", "The organisations that the reader may see", access.ViewOrganisations},
		func(_ context.Context, s access.Scope, _ *struct{}) (*struct{ Body Items[org.Organisation] }, error) {
			var list []org.Organisation
			for _, o := range a.b.Tree().All() {
				if s.Allows(o.ID) {
					list = append(list, o)
				}
			}
			return items(list), nil
		})
}
