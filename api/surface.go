package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/analyse/exposure"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/sheet"
)

// surfaceList chooses a page of a list.
type surfaceList struct {
	State  string   `query:"state" maxLength:"100" doc:"one or more, separated by commas"`
	Org    ident.ID `query:"org" maxLength:"64"`
	Q      string   `query:"q" maxLength:"300"`
	Since  string   `query:"since" maxLength:"40" doc:"of changes: from when on, such as 2027-01-31T00:00:00Z"`
	Cursor string   `query:"cursor" maxLength:"100"`
	Limit  int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

func (in surfaceList) filter() exposure.Filter {
	return exposure.Filter{Org: in.Org, States: split[string](in.State), Text: in.Q, Cursor: in.Cursor, Limit: in.Limit}
}

// rows is one page of a list.
type rows[T any] struct {
	Body struct {
		Items []T    `json:"items"`
		Next  string `json:"next,omitempty"`
	}
}

func listed[T any](p exposure.Page[T], err error) (*rows[T], error) {
	out := &rows[T]{}
	out.Body.Items, out.Body.Next = append([]T{}, p.Items...), p.Next
	return out, err
}

func (a *API) surface() {
	x := a.b.Exposure
	register(a, op{"assets", http.MethodGet, "/assets", "The hosts that are seen from outside, the last seen first", access.ViewSurface},
		func(ctx context.Context, s access.Scope, in *surfaceList) (*rows[exposure.Host], error) {
			return listed(x.Assets(ctx, s, in.filter()))
		})
	register(a, op{"asset", http.MethodGet, "/assets/{id}", "One host with what answers on it and what changed", access.ViewSurface},
		func(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body exposure.Host }, error) {
			h, err := x.Asset(ctx, s, in.ID)
			return &struct{ Body exposure.Host }{h}, err
		})
	register(a, op{"surface-changes", http.MethodGet, "/surface/changes", "What became different as seen from outside, the newest first", access.ViewSurface},
		func(ctx context.Context, s access.Scope, in *surfaceList) (*rows[exposure.Difference], error) {
			f := in.filter()
			var err error
			if in.Since != "" {
				if f.Since, err = time.Parse(time.RFC3339, in.Since); err != nil {
					return nil, fault.As(fault.Invalid, "api.changes", err, "%q is no time; write 2027-01-31T00:00:00Z", in.Since)
				}
			}
			return listed(x.Changes(ctx, s, f))
		})
	register(a, op{"surface-runs", http.MethodGet, "/surface/runs", "Scans, the newest first, and which scanner has them", access.ViewSurface},
		func(ctx context.Context, s access.Scope, in *surfaceList) (*rows[exposure.ScanRun], error) {
			return listed(x.Runs(ctx, s, in.filter()))
		})
	register(a, op{"crypto", http.MethodGet, "/surface/crypto", "The cryptographic inventory: what protects the open ports, and whether it is ready for quantum computers", access.ViewSurface}, a.crypto)
	register(a, op{"crypto-csv", http.MethodGet, "/surface/crypto.csv", "The cryptographic inventory as CSV", access.ViewSurface}, a.cryptoCSV)
	register(a, op{"assets-csv", http.MethodGet, "/surface/services.csv", "The open ports as CSV", access.ViewSurface}, a.servicesCSV)
	a.scanners()
}

// ProbesAllowed is for how many more probes a scanner has leave.
type ProbesAllowed struct {
	Allowed int64 `json:"allowed"`
}

// scanners are the operations of those who scan.
func (a *API) scanners() {
	x := a.b.Exposure
	register(a, op{"next-scan", http.MethodPost, "/surface/next", "Give a scanner the run that is due, and the lease on it", access.ReportSurveys},
		func(ctx context.Context, s access.Scope, in *struct {
			Body struct {
				Scanner string `json:"scanner" maxLength:"100" doc:"the scanner's name, one for ever"`
			}
		}) (*struct{ Body exposure.ScanJob }, error) {
			j, err := x.Next(ctx, s, in.Body.Scanner)
			return &struct{ Body exposure.ScanJob }{j}, err
		})
	register(a, op{"scan-text", http.MethodGet, "/surface/runs/{id}/scope", "The text that a run may go by at this moment; that there is none stops it", access.ReportSurveys},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Scanner string `query:"scanner" maxLength:"100"`
		}) (*struct {
			Body struct {
				Text string `json:"text"`
			}
		}, error) {
			out := &struct {
				Body struct {
					Text string `json:"text"`
				}
			}{}
			var err error
			out.Body.Text, err = x.Text(ctx, s, in.ID, in.Scanner)
			return out, err
		})
	register(a, op{"scan-probes", http.MethodPost, "/surface/runs/{id}/probes", "Give a scanner leave for more probes, as far as the owner's cap goes for all scanners of the run together", access.ReportSurveys},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Scanner string `json:"scanner" maxLength:"100"`
				More    int64  `json:"more" minimum:"1"`
			}
		}) (*struct{ Body ProbesAllowed }, error) {
			n, err := x.Share(ctx, s, in.ID, in.Body.Scanner, in.Body.More)
			return &struct{ Body ProbesAllowed }{ProbesAllowed{n}}, err
		})
	register(a, op{"scan-results", http.MethodPost, "/surface/runs/{id}/results", "Hand in some of what a run saw; the same twice is once", access.ReportSurveys},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Scanner string            `json:"scanner" maxLength:"100"`
				Ports   []json.RawMessage `json:"ports,omitempty" maxItems:"1000" doc:"open ports, as 'noroshi surface scan' prints them"`
				Closed  []string          `json:"closed,omitempty" maxItems:"10000" doc:"ports that answered and are not open, as 192.0.2.1 tcp/443"`
			}
		}) (*struct{}, error) {
			return nil, x.Put(ctx, s, in.ID, in.Body.Scanner, exposure.Part{Ports: in.Body.Ports, Quiet: in.Body.Closed})
		})
	register(a, op{"close-scan", http.MethodPost, "/surface/runs/{id}/close", "End a run, or leave it for its next hours", access.ReportSurveys},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Scanner      string          `json:"scanner" maxLength:"100"`
				Why          string          `json:"why" maxLength:"40" doc:"done, or the reason that ended it"`
				Fingerprints bool            `json:"fingerprints" doc:"products were known by fingerprints"`
				Summary      json.RawMessage `json:"summary,omitempty"`
			}
		}) (*struct{}, error) {
			return nil, x.Close(ctx, s, in.ID, in.Body.Scanner, in.Body.Why, in.Body.Fingerprints, in.Body.Summary)
		})
}

type orgInput struct {
	Org ident.ID `query:"org" maxLength:"64"`
}

// CryptoInventory is the cryptographic inventory.
type CryptoInventory struct {
	Summary exposure.Readiness `json:"summary"`
	Items   []exposure.Crypto  `json:"items"` // at most a thousand; the CSV has all
}

const maxCryptoItems = 1000

func (a *API) crypto(ctx context.Context, s access.Scope, in *orgInput) (*struct{ Body CryptoInventory }, error) {
	sum, list, err := a.b.Exposure.Cryptos(ctx, s, in.Org)
	return &struct{ Body CryptoInventory }{CryptoInventory{sum, append([]exposure.Crypto{}, list[:min(len(list), maxCryptoItems)]...)}}, err
}

// table is a CSV file.
type table struct {
	Type string `header:"Content-Type"`
	File string `header:"Content-Disposition"`
	Body []byte
}

// newSheet writes rows into a file.
func newSheet(name string, header []string, rows [][]string) (*table, error) {
	var b bytes.Buffer
	w := sheet.New(&b, header...)
	for _, r := range rows {
		w.Line(r...)
	}
	err := w.Flush()
	return &table{"text/csv; charset=utf-8", `attachment; filename="` + name + `"`, b.Bytes()}, fault.Wrap("api.csv", err)
}

func (a *API) cryptoCSV(ctx context.Context, s access.Scope, in *orgInput) (*table, error) {
	_, list, err := a.b.Exposure.Cryptos(ctx, s, in.Org)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, c := range list {
		until := ""
		if !c.NotAfter.IsZero() {
			until = c.NotAfter.Format(time.RFC3339)
		}
		out = append(out, []string{string(c.Org), c.Address, c.Place, c.Service, c.Kind, strings.Join(c.Versions, " "), strings.Join(c.Groups, " "), strconv.FormatBool(c.Ready), c.Why, c.WhyJA, c.Subject, c.Signature, strconv.Itoa(c.KeyBits), until})
	}
	return newSheet("crypto.csv", []string{"org", "address", "place", "service", "kind", "versions", "groups", "post_quantum_ready", "why", "why_ja", "subject", "signature", "key_bits", "not_after"}, out)
}

func (a *API) servicesCSV(ctx context.Context, s access.Scope, in *orgInput) (*table, error) {
	var out [][]string
	f := exposure.Filter{Org: in.Org, Limit: 500}
	for {
		p, err := a.b.Exposure.Assets(ctx, s, f)
		if err != nil {
			return nil, err
		}
		for _, h := range p.Items {
			for _, x := range h.Services {
				out = append(out, []string{string(h.Org), h.Address.String(), x.Place, x.State, x.Port.Service, x.Port.Product, x.Port.Version, x.Port.Package, x.First.Format(time.RFC3339), x.Last.Format(time.RFC3339)})
			}
		}
		if f.Cursor = p.Next; f.Cursor == "" {
			return newSheet("services.csv", []string{"org", "address", "place", "state", "service", "product", "version", "package_version", "first_seen", "last_seen"}, out)
		}
	}
}
