// Package access answers who may do what, by Cedar policies over the tree of
// organisations, and is the only maker of a Scope. Stores take nothing but a
// Scope, so that whoever forgot to ask cannot even form a query. It keeps no
// records; identity knows the people.
package access

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/org"
)

// Action is what somebody wants to do.
type Action string

// The actions. Each belongs to one group of the policies.
const (
	ViewBeacon          Action = "ViewBeacon"
	ViewFindings        Action = "ViewFindings"
	TriageFindings      Action = "TriageFindings"
	ViewIndicators      Action = "ViewIndicators"
	DecideIndicators    Action = "DecideIndicators"
	RevokeIndicators    Action = "RevokeIndicators"
	SearchEvents        Action = "SearchEvents"
	ViewNodes           Action = "ViewNodes"
	EnrolNodes          Action = "EnrolNodes"
	CutNodes            Action = "CutNodes"
	ViewOrganisations   Action = "ViewOrganisations"
	ManageOrganisations Action = "ManageOrganisations"
	ViewQuarantine      Action = "ViewQuarantine"
	ViewStatus          Action = "ViewStatus"
	DeleteOrganisations Action = "DeleteOrganisations"
	ViewActions         Action = "ViewActions"
	WorkActions         Action = "WorkActions"       // assign, claim, comment, ask for an exception
	ApproveExceptions   Action = "ApproveExceptions" // by another person than who asked
	ReportSurveys       Action = "ReportSurveys"     // hand in what a source saw
	ViewSurface         Action = "ViewSurface"       // assets, discoveries, scopes and runs
	JudgeDiscoveries    Action = "JudgeDiscoveries"  // confirm or reject what was attributed
	RecordScopes        Action = "RecordScopes"      // propose what may be scanned, withdraw it
	ApproveScopes       Action = "ApproveScopes"     // by another person than who recorded
	ViewSystems         Action = "ViewSystems"       // bills of materials, and who is hit
	ManageSystems       Action = "ManageSystems"     // hand in bills of materials
	DecideWeaknesses    Action = "DecideWeaknesses"  // whether what is matched hits (VEX)
	ManageAdvisories    Action = "ManageAdvisories"  // load what everybody is matched against
	ViewNotices         Action = "ViewNotices"       // to owners of devices, through their ISP
	SendNotices         Action = "SendNotices"
	ManageMail          Action = "ManageMail" // who gets mail, and what became of it
)

// group puts each action into its groups of the policies, parted by spaces. An action without a
// group is permitted to administrators only: ApproveExceptions, ApproveScopes,
// ManageAdvisories and ManageMail among them.
var group = map[Action]string{
	ViewBeacon: "view", ViewFindings: "view", ViewIndicators: "view", SearchEvents: "view", ViewNodes: "view",
	ViewOrganisations: "view", ViewStatus: "view", TriageFindings: "decide", DecideIndicators: "decide", RevokeIndicators: "decide",
	EnrolNodes: "operate", CutNodes: "operate", ViewQuarantine: "operate",
	ViewActions: "view", ViewSurface: "view", ViewSystems: "view", ViewNotices: "view",
	DecideWeaknesses: "decide operate",
	WorkActions:      "decide", JudgeDiscoveries: "decide", SendNotices: "decide",
	ReportSurveys: "operate", RecordScopes: "operate", ManageSystems: "operate",
}

// Roles that may be held at an organisation.
const (
	Viewer        = "viewer"
	Analyst       = "analyst"
	Operator      = "operator"
	Administrator = "administrator"
)

// Principal is somebody who acts, with the roles held at each organisation.
type Principal struct {
	ID    ident.ID
	Name  string
	Roles map[ident.ID][]string
}

// Scope is what a caller may see or do in one operation: an actor and the
// organisations for which the action was permitted. The zero Scope allows
// nothing. Only this package makes others.
type Scope struct {
	actor   string
	name    string
	action  Action
	orgs    map[ident.ID]bool
	list    []ident.ID
	tenants []uint32
}

// Actor names who acts, for the history: "person:…" or "hub:…".
func (s Scope) Actor() string { return s.actor }

// Name is what a person who acts is called; "" for the hub's own work.
func (s Scope) Name() string { return s.name }

// Action is what was asked for.
func (s Scope) Action() Action { return s.action }

// Allows tells whether an organisation is in the scope.
func (s Scope) Allows(o ident.ID) bool { return s.orgs[o] }

// Orgs lists the organisations, sorted. It is the caller's own copy: a Scope is
// remembered, and nobody widens it by writing into a list.
func (s Scope) Orgs() []ident.ID { return slices.Clone(s.list) }

// Within lists the organisations of a question about one of them, or about all when
// it is "". Of one outside the scope there are none.
func (s Scope) Within(o ident.ID) []ident.ID {
	switch {
	case o == "":
		return s.Orgs()
	case s.Allows(o):
		return []ident.ID{o}
	}
	return nil
}

// Tenants lists the event store's numbers of the organisations, in the order of
// Orgs.
func (s Scope) Tenants() []uint32 { return slices.Clone(s.tenants) }

// Realms lists the realms that may be read: what is rehearsed (訓練) is open to
// whom the real (本番) is, and every record says which it is. The zero Scope has
// none.
func (s Scope) Realms() []label.Realm {
	if len(s.list) == 0 {
		return nil
	}
	return []label.Realm{label.Real, label.Exercise}
}

// newScope takes the organisations in the order of their identifiers, as a Tree
// lists them.
func newScope(actor string, action Action, orgs []org.Organisation) Scope {
	s := Scope{actor: actor, action: action, orgs: make(map[ident.ID]bool, len(orgs))}
	for _, o := range orgs {
		s.orgs[o.ID] = true
		s.list = append(s.list, o.ID)
		s.tenants = append(s.tenants, o.Tenant)
	}
	return s
}

// hub is the action of the hub's own work, which no policy speaks of.
const hub Action = "Hub"

// Hub is the scope of the hub's own work over all organisations, as the actor
// "hub:<stage>": a stage that judges, decides by policy or expires. It asks
// nobody, so nothing that serves a person's request may use it; Authorizer.Scope
// is for that.
func Hub(tree *org.Tree, stage string) Scope {
	return newScope("hub:"+stage, hub, tree.All())
}

//go:embed policies.cedar
var defaultPolicies []byte

// Authorizer asks the policies.
type Authorizer struct {
	policies *cedar.PolicySet

	mu    sync.Mutex
	tree  *org.Tree
	cache map[cacheKey]Scope // of tree
	held  int                // organisations in all scopes of cache, bounded
}

type cacheKey struct {
	person ident.ID
	name   string
	roles  string
	action Action
}

// New reads policies; nil takes the embedded ones.
func New(policies []byte) (*Authorizer, error) {
	if policies == nil {
		policies = defaultPolicies
	}
	set, err := cedar.NewPolicySetFromBytes("policies.cedar", policies)
	if err != nil {
		return nil, fault.As(fault.Invalid, "access.new", err, "the access policies cannot be read: %v", err)
	}
	return &Authorizer{policies: set, cache: map[cacheKey]Scope{}}, nil
}

// maxHeld bounds the memory of remembered scopes, to about 60 MB: a thousand
// different ones over a thousand organisations.
const maxHeld = 1 << 20

// Scope asks for every organisation of the tree whether p may do the action
// there, and returns the scope of those where it may; none is Denied. Answers
// are remembered until the tree is another one.
func (a *Authorizer) Scope(p Principal, tree *org.Tree, action Action) (Scope, error) {
	key := cacheKey{p.ID, p.Name, rolesKey(p.Roles), action}
	s, ok := a.recall(tree, key)
	if !ok {
		s = a.ask(p, tree, action)
		a.remember(tree, key, s)
	}
	if len(s.list) == 0 {
		return Scope{}, fault.New(fault.Denied, "access.scope", "%s may not do this (%s); an administrator of the organisation can give the role", p.Name, action)
	}
	return s, nil
}

func (a *Authorizer) recall(tree *org.Tree, key cacheKey) (Scope, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tree != tree {
		return Scope{}, false
	}
	s, ok := a.cache[key]
	return s, ok
}

func (a *Authorizer) remember(tree *org.Tree, key cacheKey, s Scope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tree != tree || a.held > maxHeld {
		a.tree, a.cache, a.held = tree, map[cacheKey]Scope{}, 0
	}
	a.cache[key] = s
	a.held += len(s.list) + 1
}

func (a *Authorizer) ask(p Principal, tree *org.Tree, action Action) Scope {
	entities := entitiesOf(p, tree, action)
	var allowed []org.Organisation
	for _, o := range tree.All() {
		decision, _ := cedar.Authorize(a.policies, entities, cedar.Request{
			Principal: types.NewEntityUID("Person", types.String(p.ID)),
			Action:    types.NewEntityUID("Action", types.String(action)),
			Resource:  types.NewEntityUID("Organisation", types.String(o.ID)),
		})
		if decision == cedar.Allow {
			allowed = append(allowed, o)
		}
	}
	s := newScope("person:"+string(p.ID), action, allowed)
	s.name = p.Name
	return s
}

// entitiesOf describes the person (an attribute per role with the set of
// organisations where it is held), the action with its group, and the tree. A
// parent that is not in the tree is left out, as in org.Tree: a missing record
// never widens what others see.
func entitiesOf(p Principal, tree *org.Tree, action Action) types.EntityMap {
	uid := func(kind string, id ident.ID) types.EntityUID {
		return types.NewEntityUID(types.EntityType(kind), types.String(id))
	}
	held := map[string][]types.Value{}
	for o, roles := range p.Roles {
		for _, r := range roles {
			held[r] = append(held[r], uid("Organisation", o))
		}
	}
	attrs := types.RecordMap{}
	for r, orgs := range held {
		attrs[types.String(r)] = types.NewSet(orgs...)
	}
	m := types.EntityMap{}
	person := uid("Person", p.ID)
	m[person] = types.Entity{UID: person, Attributes: types.NewRecord(attrs)}
	act := uid("Action", ident.ID(action))
	var groups []types.EntityUID
	for _, g := range strings.Fields(group[action]) {
		groups = append(groups, uid("Action", ident.ID(g)))
	}
	m[act] = types.Entity{UID: act, Parents: types.NewEntityUIDSet(groups...)}
	for _, o := range tree.All() {
		e := types.Entity{UID: uid("Organisation", o.ID), Parents: types.NewEntityUIDSet()}
		if _, known := tree.Get(o.Parent); known {
			e.Parents = types.NewEntityUIDSet(uid("Organisation", o.Parent))
		}
		m[e.UID] = e
	}
	return m
}

// rolesKey writes roles as one text, so that a person who gains or loses a role
// is asked about anew.
func rolesKey(roles map[ident.ID][]string) string {
	parts := make([]string, 0, len(roles))
	for o, held := range roles {
		for _, r := range held {
			parts = append(parts, strconv.Quote(string(o))+strconv.Quote(r))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ";")
}
