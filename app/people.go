package app

import (
	"encoding/json"
	"net/http"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
)

// NewPerson is somebody who shall sign in.
type NewPerson struct {
	Name string   `json:"name"`
	Org  ident.ID `json:"org"`
	Role string   `json:"role"`
}

// addPerson makes a person and a one-time link by which they sign in.
func (h *hub) addPerson(w http.ResponseWriter, r *http.Request) {
	var in NewPerson
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&in)
	if err != nil {
		err = fault.As(fault.Invalid, "app.person", err, "this is no person: %v", err)
	}
	var link string
	if err == nil {
		var s access.Scope
		var who access.Principal
		if s, err = h.access.Scope(h.admin, h.orgs.Current(), access.ManageOrganisations); err == nil {
			if who, err = h.people.Add(r.Context(), s, in.Name, map[ident.ID][]string{in.Org: {in.Role}}); err == nil {
				link, err = h.linkOf(r.Context(), who.ID)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]string{"detail": fault.PublicOf(err)}) // An operator who is gone asks again.
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"link": link})
}
