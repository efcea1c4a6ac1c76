// Package api is the platform's HTTP face: operations with their types (huma,
// OpenAPI 3.1), one file per noun. Every operation names the action that it is;
// the action is asked of package access, which makes the Scope that the handler
// passes to the stores: a handler cannot form a query for what its caller may
// not see. It holds no data and decides nothing. App builds it, the console and
// the command line call it.
package api

import (
	"context"
	"errors"
	"net/http"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"noroshi/access"
	"noroshi/fault"
)

// API is the operations, ready to be served.
type API struct {
	b    Backend
	huma huma.API
	mux  *http.ServeMux
}

// New registers every operation on a backend.
func New(b Backend) *API {
	a := &API{b: b, mux: http.NewServeMux()}
	cfg := huma.DefaultConfig("Noroshi", b.Version)
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "/api/openapi", "", ""
	cfg.CreateHooks = nil // No $schema links: the console has its types already.
	cfg.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	a.huma = humago.New(a.mux, cfg)
	a.sessions()
	a.organisations()
	a.beacon()
	a.findings()
	a.indicators()
	a.search()
	a.nodes()
	a.quarantine()
	a.status()
	a.deletions()
	a.actions()
	a.surveys()
	a.scopes()
	a.surface()
	a.notices()
	a.mail()
	a.systems()
	a.decisions()
	a.whoIsHit()
	a.advisories()
	a.discoveries()
	a.mux.HandleFunc("GET /api/v1/live", a.live)
	a.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, fault.New(fault.NotFound, "api", "there is no operation %s %s; /api/openapi.json lists them", r.Method, r.URL.Path))
	})
	return a
}

// schemaName names a type in the description: two packages may have words in
// common, so a type of another package is named after both.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := path.Base(t.PkgPath()); t.Name() != "" && t.PkgPath() != "" && p != "api" {
		return strings.ToUpper(p[:1]) + p[1:] + name
	}
	return name
}

// OpenAPI returns the description of all operations.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

// ServeHTTP serves people: they are known by their session cookie. Requests
// that another site made a browser send are refused.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard := http.NewCrossOriginProtection()
	guard.Handler(http.HandlerFunc(a.serve)).ServeHTTP(w, r)
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		if p, err := a.b.People.Session(r.Context(), c.Value); err == nil {
			r = r.WithContext(withPrincipal(r.Context(), p))
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	a.mux.ServeHTTP(w, r)
}

// Trusted serves the operator on the machine itself, through a socket that only
// the platform's user can open: whoever can, is p.
func (a *API) Trusted(p access.Principal) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mux.ServeHTTP(w, r.WithContext(withPrincipal(r.Context(), p)))
	})
}

type principalKey struct{}

func withPrincipal(ctx context.Context, p access.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

func principalOf(ctx context.Context) (access.Principal, error) {
	p, ok := ctx.Value(principalKey{}).(access.Principal)
	if !ok {
		return p, fault.New(fault.Unauthenticated, "api.session", "sign in first: the platform prints a one-time link when it starts, and 'noroshi hub link' prints another")
	}
	return p, nil
}

// op describes one operation. Action is what access is asked; public operations
// say so.
type op struct {
	id, method, path, summary string
	action                    access.Action
}

// public marks the operations that need no session.
const public access.Action = "public"

// register adds an operation whose handler gets the caller's Scope. What is not
// as with the others, change says.
func register[I, O any](a *API, o op, handler func(ctx context.Context, s access.Scope, in *I) (*O, error), change ...func(*huma.Operation)) {
	described := huma.Operation{
		OperationID: o.id, Method: o.method, Path: "/api/v1" + o.path, Summary: o.summary,
		MaxBodyBytes: 256 << 10, RejectUnknownQueryParameters: true,
		Metadata: map[string]any{"action": o.action},
	}
	for _, c := range change {
		c(&described)
	}
	huma.Register(a.huma, described, func(ctx context.Context, in *I) (*O, error) {
		s, err := a.scope(ctx, o.action)
		if err != nil {
			return nil, a.problem(ctx, o.id, err)
		}
		out, err := handler(ctx, s, in)
		if err != nil {
			return nil, a.problem(ctx, o.id, err)
		}
		return out, nil
	})
}

func (a *API) scope(ctx context.Context, action access.Action) (access.Scope, error) {
	if action == public {
		return access.Scope{}, nil
	}
	p, err := principalOf(ctx)
	if err != nil {
		return access.Scope{}, err
	}
	return a.b.Access.Scope(p, a.b.Tree(), action)
}

// codes maps kinds of errors to HTTP.
var codes = map[fault.Kind]int{
	fault.Internal: http.StatusInternalServerError, fault.Unavailable: http.StatusServiceUnavailable,
	fault.Exhausted: http.StatusTooManyRequests, fault.Conflict: http.StatusConflict, fault.NotFound: http.StatusNotFound,
	fault.Denied: http.StatusForbidden, fault.Unauthenticated: http.StatusUnauthorized,
	fault.Invalid: http.StatusUnprocessableEntity, fault.TooLarge: http.StatusRequestEntityTooLarge,
}

// problem turns an error into an RFC 9457 problem; the operator's log gets the
// whole of what is the program's own fault.
func (a *API) problem(ctx context.Context, id string, err error) error {
	kind := fault.KindOf(err)
	if kind == fault.Internal && !errors.Is(err, context.Canceled) {
		a.b.Log.ErrorContext(ctx, "operation failed", "role", "api", "operation", id, "err", err)
	}
	return huma.NewError(codes[kind], fault.PublicOf(err))
}

func writeProblem(w http.ResponseWriter, err error) {
	code := codes[fault.KindOf(err)]
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(code)
	writeJSON(w, map[string]any{"title": http.StatusText(code), "status": code, "detail": fault.PublicOf(err)})
}
