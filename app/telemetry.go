package app

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"noroshi/fault"
)

// newRegistry is a registry of one process, with Go's and the system's figures.
func newRegistry(list ...prometheus.Collector) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(list...)
	return reg
}

// serveMetrics opens the listener of a role for machines that watch: /metrics,
// /healthz, which answers while the process does, and /readyz, which says why
// when the role cannot do its work. It has no sign-in and tells identifiers only;
// without a host it is for this machine alone.
func serveMetrics(run *runner, addr string, reg *prometheus.Registry, ready func(context.Context) error) (string, error) {
	if host, port, err := net.SplitHostPort(addr); err == nil && host == "" {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fault.As(fault.Unavailable, "app.metrics", err, "the metrics cannot be served: %s is taken or not allowed (metrics)", addr)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 2 * readTime, EnableOpenMetrics: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			say(w, http.StatusServiceUnavailable, fault.PublicOf(err))
			return
		}
		say(w, http.StatusOK, "ok")
	})
	s := server(mux)
	s.WriteTimeout = 3 * readTime
	run.serve("metrics", s, func() error { return s.Serve(l) })
	return l.Addr().String(), nil
}

func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	fmt.Fprintln(w, text) // Who asked may be gone.
}
