// Package access answers who may do what, by Cedar policies over the tree of
// organisations, and is the only maker of a Scope. Stores take nothing but a
// Scope, so that whoever forgot to ask cannot even form a query. It keeps no
// records; identity knows the people.
package access

import (
	_ "embed"
	"slices"
	"sync"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"noroshi/fault"
	"noroshi/ident"
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
)

// group puts each action into its group of the policies. An action without a
// group is permitted to administrators only.
var group = map[Action]string{
	ViewBeacon: "view", ViewFindings: "view", ViewIndicators: "view", SearchEvents: "view", ViewNodes: "view",
	ViewOrganisations: "view", TriageFindings: "decide", DecideIndicators: "decide", RevokeIndicators: "decide",
	EnrolNodes: "operate", CutNodes: "operate", ViewQuarantine: "operate",
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
	action  Action
	orgs    map[ident.ID]bool
	list    []ident.ID
	tenants []uint32
}

// Actor names who acts, for the history.
func (s Scope) Actor() string { return s.actor }

// Action is what was asked for.
func (s Scope) Action() Action { return s.action }

// Allows tells whether an organisation is in the scope.
func (s Scope) Allows(o ident.ID) bool { return s.orgs[o] }

// Orgs lists the organisations, sorted. The caller must not change it.
func (s Scope) Orgs() []ident.ID { return s.list }

// Tenants lists the event store's numbers of the organisations.
func (s Scope) Tenants() []uint32 { return s.tenants }

func newScope(actor string, action Action, orgs []org.Organisation) Scope {
	s := Scope{actor: actor, action: action, orgs: make(map[ident.ID]bool, len(orgs))}
	for _, o := range orgs {
		s.orgs[o.ID] = true
		s.list = append(s.list, o.ID)
		s.tenants = append(s.tenants, o.Tenant)
	}
	slices.Sort(s.list)
	return s
}

// Hub is the scope of the hub's own work over all organisations: a stage that
// judges, decides by policy or expires. No request of a person may use it.
func Hub(tree *org.Tree, stage string) Scope {
	return newScope("hub:"+stage, Action("hub"), tree.All())
}

//go:embed policies.cedar
var defaultPolicies []byte

// Authorizer asks the policies.
type Authorizer struct {
	policies *cedar.PolicySet

	mu    sync.Mutex
	tree  *org.Tree
	cache map[cacheKey]Scope // of tree, bounded
}

type cacheKey struct {
	person ident.ID
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

const maxCache = 4096

// Scope asks for every organisation of the tree whether p may do the action
// there, and returns the scope of those where it may; none is Denied.
func (a *Authorizer) Scope(p Principal, tree *org.Tree, action Action) (Scope, error) {
	key := cacheKey{p.ID, rolesKey(p.Roles), action}
	a.mu.Lock()
	if a.tree != tree || len(a.cache) > maxCache {
		a.tree, a.cache = tree, map[cacheKey]Scope{}
	}
	s, ok := a.cache[key]
	a.mu.Unlock()
	if !ok {
		s = a.ask(p, tree, action)
		a.mu.Lock()
		if a.tree == tree {
			a.cache[key] = s
		}
		a.mu.Unlock()
	}
	if len(s.list) == 0 {
		return Scope{}, fault.New(fault.Denied, "access.scope", "%s may not do this (%s); an administrator of the organisation can give the role", p.Name, action)
	}
	return s, nil
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
	return newScope("person:"+string(p.ID), action, allowed)
}

// entitiesOf describes the person (an attribute per role with the set of
// organisations where it is held), the action with its group, and the tree.
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
	m[act] = types.Entity{UID: act, Parents: types.NewEntityUIDSet()}
	if g, ok := group[action]; ok {
		m[act] = types.Entity{UID: act, Parents: types.NewEntityUIDSet(uid("Action", ident.ID(g)))}
	}
	for _, o := range tree.All() {
		e := types.Entity{UID: uid("Organisation", o.ID), Parents: types.NewEntityUIDSet()}
		if o.Parent != "" {
			e.Parents = types.NewEntityUIDSet(uid("Organisation", o.Parent))
		}
		m[e.UID] = e
	}
	return m
}

func rolesKey(roles map[ident.ID][]string) string {
	var parts []string
	for o, rs := range roles {
		for _, r := range rs {
			parts = append(parts, string(o)+"="+r)
		}
	}
	slices.Sort(parts)
	key := ""
	for _, p := range parts {
		key += p + ";"
	}
	return key
}
