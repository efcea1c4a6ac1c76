package api

import (
	"context"
	"net/http"

	"noroshi/access"
	"noroshi/care"
)

func (a *API) deletions() {
	register(a, op{"delete-organisation", http.MethodPost, "/organisations/{id}/delete", "Delete an organisation that leaves, with everything it has here; this cannot be taken back", access.DeleteOrganisations},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Basis string `json:"basis" maxLength:"1000" doc:"who decided it, and on what basis"`
			}
		}) (*struct{ Body care.Deletion }, error) {
			d, err := a.b.Care.Delete(ctx, s, in.ID, in.Body.Basis)
			return &struct{ Body care.Deletion }{d}, err
		})
	register(a, op{"deletions", http.MethodGet, "/deletions", "Organisations that left, and what was deleted of them", access.DeleteOrganisations},
		func(ctx context.Context, s access.Scope, _ *struct{}) (*struct{ Body Items[care.Deletion] }, error) {
			list, err := a.b.Care.Deletions(ctx, s)
			return items(list), err
		})
}
