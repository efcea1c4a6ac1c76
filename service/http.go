package service

import "time"

// HTTP is what a web server shows to whoever asks for its first page.
type HTTP struct {
	Status   int               `json:"status"`
	Title    string            `json:"title,omitempty"`
	Location string            `json:"location,omitempty"` // where it would send us; nobody goes there
	Headers  map[string]string `json:"headers,omitempty"`
	Missing  []string          `json:"missing_headers,omitempty"` // that would protect who looks at the page
	Body     string            `json:"body_sha256,omitempty"`
	Favicon  *Favicon          `json:"favicon,omitempty"`
	Login    bool              `json:"login,omitempty"` // the page has a field for a password
	Listing  bool              `json:"directory_listing,omitempty"`
	Exposed  []ExposedPage     `json:"exposed,omitempty"` // what is there to administer it
	Security *SecurityTxt      `json:"security_txt,omitempty"`
}

// ExposedPage is a page at which a web server is administered, or tells of itself.
type ExposedPage struct {
	Path    string `json:"path"`
	Name    string `json:"name"`
	Vendor  string `json:"vendor,omitempty"`
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
}

// Favicon is an icon by the digests under which others know icons: fingerprints
// by MD5, search engines by MurmurHash3. Nothing is proved by them.
type Favicon struct {
	MD5     string `json:"md5"`
	SHA256  string `json:"sha256"`
	Murmur3 int32  `json:"murmur3"` // of its base64 in lines of 76, as Shodan counts
}

// SecurityTxt is whom to tell of a weakness (RFC 9116).
type SecurityTxt struct {
	Contact []string  `json:"contact,omitempty"`
	Policy  string    `json:"policy,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Signed  bool      `json:"signed,omitempty"` // by OpenPGP; nobody has checked by whom
}
