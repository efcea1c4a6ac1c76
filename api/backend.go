package api

import (
	"context"
	"log/slog"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/analyse"
	"noroshi/analyse/attribute"
	"noroshi/analyse/exposure"
	"noroshi/analyse/pdns"
	"noroshi/analyse/systems"
	"noroshi/care"
	"noroshi/eventstore"
	"noroshi/identity"
	"noroshi/intel"
	"noroshi/ledger/quarantine"
	"noroshi/org"
	"noroshi/sense/rollcall"
	"noroshi/share/mail"
	"noroshi/share/notice"
	"noroshi/share/push"
	"noroshi/status"
)

// Backend is what the operations work with.
type Backend struct {
	Version       string
	SecureCookies bool
	Log           *slog.Logger
	Now           func() time.Time

	Access *access.Authorizer
	Tree   func() *org.Tree
	People *identity.People
	Nodes  *identity.Nodes
	// Certificates lists the hub's own.
	Certificates func() []identity.Ending
	Roll         *rollcall.Roll
	Findings     *analyse.Analyser
	Intel        *intel.Intel
	Push         *push.Push
	Events       eventstore.Reader
	PDNS         *pdns.Store
	Quarantine   *quarantine.Store
	Care         *care.Care
	Notices      *notice.Notices
	Mail         *mail.Mail
	Actions      *remediation.Remediation
	Discoveries  *attribute.Attribution
	Exposure     *exposure.Store
	Systems      *systems.Systems
	// Status says how the platform is, as far as the reader may know.
	Status func(ctx context.Context, s access.Scope) status.Status
	// Watch calls fn for each change that is announced after it returned, until stop.
	Watch func(fn func(topic string, data []byte)) (stop func(), err error)
}
