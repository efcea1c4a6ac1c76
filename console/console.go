// Package console serves the built pages with the headers that keep them safe:
// no script, style, font or connection of anybody else, no framing, nothing
// guessed. Every path that is no file is the application, because every view is
// a URL. It has no data; the pages ask the API.
package console

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const missing = `<!doctype html><meta charset="utf-8"><title>Noroshi</title><p>The console was not built into this program: run <code>make build</code>.
<p lang="ja">コンソールが組み込まれていません。<code>make build</code> を実行してください。`

// Handler serves the files of the built console.
func Handler(files fs.FS) http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guarded(w)
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "the console is read only; the operations are under /api/", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		if info, err := fs.Stat(files, name); name != "" && err == nil && !info.IsDir() && name != "index.html" {
			// Names of assets change with their content.
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
			server.ServeHTTP(w, r)
			return
		}
		h.Set("Cache-Control", "no-cache")
		page, err := fs.ReadFile(files, "index.html")
		if err != nil {
			page = []byte(missing)
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // The reader may be gone.
	})
}

// guarded sets the headers that keep a page safe.
func guarded(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}
