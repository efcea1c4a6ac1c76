package app

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"net/netip"
	"time"

	"noroshi/analyse/iot"
	"noroshi/content"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/share/notice"
)

// notify makes the stage of notices to owners of devices. The key of their links
// is made of the authority's own, which all hubs of a platform have and the ledger
// never: a copy of the ledger opens no owner's page.
func (h *hub) notify(context.Context) error {
	const op = "app.notices"
	key, err := hkdf.Key(sha256.New, h.ca.FeedKey().Seed(), nil, "noroshi: links of notices to owners", 32)
	if err != nil {
		return fault.Wrap(op, err)
	}
	h.notices, err = notice.New(notice.Deps{DB: h.db, Actions: h.actions, InForce: h.inForce, Tree: h.orgs.Current, Now: time.Now, Ident: h.deps.Ident, Zone: iot.JST, Words: content.Notices(), Key: key, Link: h.public})
	if err != nil {
		return err
	}
	h.notices.OnChange = func(id, org ident.ID) { h.announce("notice", id, h.visible(org)) }
	return nil
}

// inForce asks the scopes that the provider has on record here. Where none ever
// named the address, the survey was made by a file, and its date decides.
func (h *hub) inForce(ctx context.Context, org ident.ID, a netip.Addr) (bool, error) {
	named, allowed, err := h.exposure.Allows(ctx, org, a)
	return allowed || !named, err
}

// public is where everybody reaches the console, as the configuration says; the
// console's own address, which is this machine's, where it does not.
func (h *hub) public() string {
	if h.cfg.Hub.NoticeURL != "" {
		return h.cfg.Hub.NoticeURL
	}
	scheme := "http"
	if h.cfg.Hub.ConsoleTLS {
		scheme = "https"
	}
	return scheme + "://" + h.consoleAddr
}
