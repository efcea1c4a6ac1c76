package app

import (
	"context"
	"os"
	"time"

	"noroshi/act/remediation"
	"noroshi/content"
	"noroshi/fault"
)

// remediation makes the stage that keeps what must be done about weaknesses.
func (h *hub) remediation(context.Context) error {
	file, b := "content/remediation.yaml", content.Remediation()
	if h.cfg.Hub.Remediation != "" {
		var err error
		file = h.cfg.Hub.Remediation
		if b, err = os.ReadFile(file); err != nil {
			return fault.As(fault.NotFound, "app.remediation", err, "the times in which weaknesses are to be mended, %s, cannot be read (hub.remediation)", file)
		}
	}
	policy, err := remediation.ReadPolicy(file, b)
	if err != nil {
		return err
	}
	h.actions, err = remediation.New(remediation.Config{}, remediation.Deps{DB: h.db, Policy: policy, Tree: h.orgs.Current, Now: time.Now, Ident: h.deps.Ident, Log: h.log})
	if err != nil {
		return err
	}
	h.actions.OnChange = func(c remediation.Change) { h.announce("action", c.ID, h.visible(c.Org)) }
	return nil
}
