package csaf

import (
	"encoding/json"
	"fmt"
	"time"

	"noroshi/analyse/affected/version"
	"noroshi/bom"
	"noroshi/fault"
)

// The limits of one document.
const (
	MaxBytes    = 64 << 20
	maxProducts = 200_000
	maxBranches = 64 // deep
	maxTexts    = 10_000
)

// document is CSAF as it is written.
type document struct {
	Document struct {
		Category  string `json:"category"`
		Version   string `json:"csaf_version"`
		Title     string `json:"title"`
		Publisher struct {
			Category  string `json:"category"`
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"publisher"`
		Notes    []struct{} `json:"notes"`
		Tracking tracking   `json:"tracking"`
	} `json:"document"`
	Tree            *tree           `json:"product_tree"`
	Vulnerabilities []vulnerability `json:"vulnerabilities"`
}

type tracking struct {
	ID       string     `json:"id"`
	Status   string     `json:"status"`
	Version  string     `json:"version"`
	Current  time.Time  `json:"current_release_date"`
	Initial  time.Time  `json:"initial_release_date"`
	Revision []revision `json:"revision_history"`
}

type revision struct {
	Date   time.Time `json:"date"`
	Number string    `json:"number"`
}

type tree struct {
	Branches      []branch      `json:"branches"`
	Products      []fullProduct `json:"full_product_names"`
	Groups        []group       `json:"product_groups"`
	Relationships []struct {
		Part    string      `json:"product_reference"`
		Of      string      `json:"relates_to_product_reference"`
		Product fullProduct `json:"full_product_name"`
	} `json:"relationships"`
}

type branch struct {
	Category string       `json:"category"`
	Name     string       `json:"name"`
	Branches []branch     `json:"branches"`
	Product  *fullProduct `json:"product"`
}

type fullProduct struct {
	ID     string `json:"product_id"`
	Name   string `json:"name"`
	Helper struct {
		PURL string `json:"purl"`
		CPE  string `json:"cpe"`
	} `json:"product_identification_helper"`
}

type group struct {
	ID       string   `json:"group_id"`
	Products []string `json:"product_ids"`
}

type vulnerability struct {
	CVE string `json:"cve"`
	IDs []struct {
		Text string `json:"text"`
	} `json:"ids"`
	Title  string              `json:"title"`
	Notes  []struct{}          `json:"notes"`
	Status map[Status][]string `json:"product_status"`
	Scores []struct {
		Products []string    `json:"products"`
		V3       *cvssObject `json:"cvss_v3"`
	} `json:"scores"`
	Flags        []about `json:"flags"`
	Threats      []about `json:"threats"`
	Remediations []about `json:"remediations"`
}

// about is a flag, a threat or a remediation: something said of products.
type about struct {
	Category string   `json:"category"`
	Label    string   `json:"label"`
	Details  string   `json:"details"`
	Products []string `json:"product_ids"`
	Groups   []string `json:"group_ids"`
}

type cvssObject struct {
	Version   string  `json:"version"`
	Vector    string  `json:"vectorString"`
	BaseScore float64 `json:"baseScore"`
	Severity  string  `json:"baseSeverity"`
}

// Read reads a document, and refuses one that contradicts itself.
func Read(b []byte) (*Document, error) {
	if len(b) > MaxBytes {
		return nil, fault.New(fault.TooLarge, "csaf.read", "it is larger than the %d MiB that are read", MaxBytes>>20)
	}
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fault.As(fault.Invalid, "csaf.read", err, "it is no CSAF document: %v", err)
	}
	r := reader{in: &d, groups: map[string][]string{}, out: &Document{
		ID: d.Document.Tracking.ID, Title: d.Document.Title, Category: d.Document.Category, Publisher: d.Document.Publisher.Name,
		Status: d.Document.Tracking.Status, Version: d.Document.Tracking.Version, Released: d.Document.Tracking.Current,
		Products: map[string]Product{},
	}}
	for _, step := range []func() error{r.head, r.history, r.tree, r.vulnerabilities, r.profile} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

// reader turns a document into what it says.
type reader struct {
	in     *document
	out    *Document
	groups map[string][]string
}

func wrong(place, format string, args ...any) error {
	return fault.New(fault.Invalid, "csaf.read", format, args...).At("%s", place)
}

// tree reads the products.
func (r *reader) tree() error {
	t := r.in.Tree
	if t == nil {
		return nil
	}
	for i, p := range t.Products {
		if err := r.product(fmt.Sprintf("/product_tree/full_product_names[%d]", i), p, Product{}); err != nil {
			return err
		}
	}
	if err := r.branches("/product_tree", t.Branches, 1); err != nil {
		return err
	}
	for i, x := range t.Relationships {
		place := fmt.Sprintf("/product_tree/relationships[%d]", i)
		if err := r.product(place+"/full_product_name", x.Product, Product{Part: x.Part, Of: x.Of}); err != nil {
			return err
		}
	}
	for i, x := range t.Relationships {
		place := fmt.Sprintf("/product_tree/relationships[%d]", i)
		if err := r.known(place, x.Part, x.Of); err != nil {
			return err
		}
		if r.circular(x.Product.ID) {
			return wrong(place, "the product %q is made of itself", x.Product.ID)
		}
	}
	for i, g := range t.Groups {
		place := fmt.Sprintf("/product_tree/product_groups[%d]", i)
		if _, twice := r.groups[g.ID]; twice || g.ID == "" {
			return wrong(place, "the group %q is defined twice, or has no id", g.ID)
		}
		if err := r.known(place, g.Products...); err != nil {
			return err
		}
		r.groups[g.ID] = g.Products
	}
	return nil
}

func (r *reader) branches(at string, list []branch, depth int) error {
	if depth > maxBranches {
		return wrong(at, "branches are nested deeper than %d", maxBranches)
	}
	for i, b := range list {
		place := fmt.Sprintf("%s/branches[%d]", at, i)
		var as Product
		switch b.Category {
		case "product_version_range":
			as.Range = b.Name
		case "product_version":
			if rangeLike(b.Name) {
				return wrong(place, "%q is a range; a product_version is one version", b.Name)
			}
		}
		if b.Product != nil {
			if err := r.product(place+"/product", *b.Product, as); err != nil {
				return err
			}
		}
		if err := r.branches(place, b.Branches, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// product takes one product in.
func (r *reader) product(place string, p fullProduct, as Product) error {
	if p.ID == "" || p.Name == "" {
		return wrong(place, "a product needs a product_id and a name")
	}
	if _, twice := r.out.Products[p.ID]; twice {
		return wrong(place, "the product %q is defined twice", p.ID)
	}
	if len(r.out.Products) >= maxProducts {
		return wrong(place, "there are more than %d products", maxProducts)
	}
	as.Name, as.CPE = p.Name, p.Helper.CPE
	if p.Helper.PURL != "" {
		var err error
		if as.PURL, err = bom.ParsePURL(p.Helper.PURL); err != nil {
			return wrong(place, "%s", fault.PublicOf(err))
		}
		// A range may also stand in the package URL, as its specification has it.
		if as.Range == "" {
			as.Range = as.PURL.Qualifiers["vers"]
		}
	}
	r.out.Products[p.ID] = as
	return nil
}

// Versions is the range of a product; ok is false when it has none that can be
// read.
func (p Product) Versions() (version.Range, bool) {
	if p.Range == "" {
		return version.Range{}, false
	}
	v, err := version.ParseRange(p.Range)
	return v, err == nil
}

func (r *reader) known(place string, ids ...string) error {
	for _, id := range ids {
		if _, ok := r.out.Products[id]; !ok {
			return wrong(place, "the product %q is defined nowhere", id)
		}
	}
	return nil
}

// circular says whether a product is reached from itself over relationships.
func (r *reader) circular(id string) bool {
	seen := map[string]bool{}
	queue := []string{r.out.Products[id].Part, r.out.Products[id].Of}
	for ; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == id {
			return true
		}
		if p := r.out.Products[at]; !seen[at] && p.Of != "" {
			queue = append(queue, p.Part, p.Of)
		}
		seen[at] = true
	}
	return false
}
