package nvd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func all(string) bool { return true }

// cve makes an entry out of configurations.
func cve(id, configurations string) string {
	return fmt.Sprintf(`{"cve":{"id":%q,"descriptions":[{"lang":"en","value":"bad"}],"metrics":{"cvssMetricV31":[{"cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]},"configurations":[%s]}}`, id, configurations)
}

func criterion(vulnerable bool, name, bounds string) string {
	return fmt.Sprintf(`{"vulnerable":%t,"criteria":%q%s}`, vulnerable, name, bounds)
}

func or(list ...string) string {
	return `{"operator":"OR","cpeMatch":[` + strings.Join(list, ",") + `]}`
}

func config(operator string, nodes ...string) string {
	return `{"operator":"` + operator + `","nodes":[` + strings.Join(nodes, ",") + `]}`
}

func known(t *testing.T, entries ...string) *Known {
	t.Helper()
	var k Known
	if r, err := k.Read(strings.NewReader(`{"format":"NVD_CVE","vulnerabilities":[`+strings.Join(entries, ",")+`]}`), all); err != nil || r.Refused != 0 {
		t.Fatal(r, err)
	}
	return &k
}

func TestWhoIsHitByItsName(t *testing.T) {
	mysql := "cpe:2.3:a:oracle:mysql:*:*:*:*:*:*:*:*"
	linux := "cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*"
	bounds := `,"versionStartIncluding":"5.0","versionEndExcluding":"5.7.2"`
	running := config("AND", or(criterion(true, mysql, bounds)), or(criterion(false, linux, "")))
	for _, c := range []struct {
		name, config string
		products     []string
		hits         []int
	}{
		{"in the range", config("OR", or(criterion(true, mysql, bounds))), []string{"cpe:2.3:a:oracle:mysql:5.7.1:*:*:*:*:*:*:*"}, []int{0}},
		{"by the older form", config("OR", or(criterion(true, mysql, bounds))), []string{"cpe:/a:oracle:mysql:5.7.1"}, []int{0}},
		{"at its end", config("OR", or(criterion(true, mysql, bounds))), []string{"cpe:2.3:a:oracle:mysql:5.7.2:*:*:*:*:*:*:*"}, nil},
		{"before its begin", config("OR", or(criterion(true, mysql, bounds))), []string{"cpe:2.3:a:oracle:mysql:4.9:*:*:*:*:*:*:*"}, nil},
		{"another vendor of the same product", config("OR", or(criterion(true, mysql, bounds))), []string{"cpe:2.3:a:go-sql-driver:mysql:5.7.1:*:*:*:*:*:*:*"}, nil},
		{"a version that cannot be ordered", config("OR", or(criterion(true, mysql, bounds))), []string{"cpe:2.3:a:oracle:mysql:5.7.1-beta:*:*:*:*:*:*:*", "cpe:2.3:a:oracle:mysql:5.7.1:rc1:*:*:*:*:*:*", "cpe:2.3:a:oracle:mysql:-:*:*:*:*:*:*:*"}, nil},
		{"a letter at the end", config("OR", or(criterion(true, "cpe:2.3:a:openssl:openssl:*:*:*:*:*:*:*:*", `,"versionStartExcluding":"1.0.2","versionEndIncluding":"1.0.2k"`))),
			[]string{"cpe:2.3:a:openssl:openssl:1.0.2k:*:*:*:*:*:*:*", "cpe:2.3:a:openssl:openssl:1.0.2l:*:*:*:*:*:*:*", "cpe:2.3:a:openssl:openssl:1.0.2:*:*:*:*:*:*:*"}, []int{0}},
		{"one version", config("OR", or(criterion(true, "cpe:2.3:a:v:p:1.0:rc1:*:*:*:*:*:*", ""))), []string{"cpe:2.3:a:v:p:1.0:rc1:*:*:*:*:*:*", "cpe:2.3:a:v:p:1.0:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:1.1:rc1:*:*:*:*:*:*"}, []int{0}},
		{"for another software", config("OR", or(criterion(true, "cpe:2.3:a:siemens:nx:*:*:*:*:*:windows:*:*", ""))), []string{"cpe:2.3:a:siemens:nx:1:*:*:*:*:*:*:*", "cpe:2.3:a:siemens:nx:1:*:*:*:*:windows:*:*"}, []int{1}},
		{"together with what it runs on", running, []string{"cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*", "cpe:2.3:a:oracle:mysql:5.1:*:*:*:*:*:*:*"}, []int{1}},
		{"without what it runs on", running, []string{"cpe:2.3:a:oracle:mysql:5.1:*:*:*:*:*:*:*"}, nil},
		{"only what it runs on", running, []string{"cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*"}, nil},
		{"what must be absent is", config("AND", or(criterion(true, mysql, bounds)), strings.Replace(or(criterion(true, linux, "")), `{"op`, `{"negate":true,"op`, 1)), []string{"cpe:2.3:a:oracle:mysql:5.1:*:*:*:*:*:*:*"}, []int{0}},
		{"what must be absent is there", config("AND", or(criterion(true, mysql, bounds)), strings.Replace(or(criterion(true, linux, "")), `{"op`, `{"negate":true,"op`, 1)), []string{"cpe:2.3:a:oracle:mysql:5.1:*:*:*:*:*:*:*", "cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*"}, nil},
		{"never vulnerable", config("OR", or(criterion(false, mysql, ""))), []string{"cpe:2.3:a:oracle:mysql:5.1:*:*:*:*:*:*:*"}, nil},
		{"either of two", config("OR", or(criterion(true, linux, "")), or(criterion(true, mysql, bounds))), []string{"cpe:2.3:a:oracle:mysql:5.1:*:*:*:*:*:*:*"}, []int{0}},
		{"both in one node", config("OR", strings.Replace(or(criterion(true, mysql, bounds), criterion(true, linux, "")), `"OR"`, `"AND"`, 1)), []string{"cpe:2.3:a:oracle:mysql:5.1:*:*:*:*:*:*:*"}, nil},
		{"escaped", config("OR", or(criterion(true, `cpe:2.3:a:v:a\:b\.c:1:*:*:*:*:*:*:*`, ""))), []string{`cpe:2.3:a:V:a\:b.c:1:*:*:*:*:*:*:*`}, []int{0}},
	} {
		k := known(t, cve("CVE-2026-1000", c.config))
		var products []CPE
		for _, p := range c.products {
			x, ok := ParseCPE(p)
			if !ok {
				t.Fatalf("%s is no CPE", p)
			}
			products = append(products, x)
		}
		var got []int
		for _, h := range k.Match(products) {
			if h.CVE != "CVE-2026-1000" || h.Summary != "bad" || len(h.Vectors) != 1 {
				t.Errorf("%s: %+v", c.name, h)
			}
			got = append(got, h.Product)
		}
		if !slices.Equal(got, c.hits) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestBrokenEntriesArePutAside(t *testing.T) {
	plain := config("OR", or(criterion(true, "cpe:2.3:a:v:p:1:*:*:*:*:*:*:*", "")))
	var k Known
	r, err := k.Read(strings.NewReader(`{"vulnerabilities":[`+strings.Join([]string{cve("CVE-2026-1000", plain), "7", cve("CVE-2026-1001", config("OR", or(criterion(true, "cpe:9:x", "")))), `{"cve":{}}`,
		strings.Replace(cve("CVE-2026-1002", plain), `"descriptions"`, `"vulnStatus":"Rejected","descriptions"`, 1), cve("CVE-2026-1003", config("OR", or(criterion(true, "cpe:2.3:a:other:p:1:*:*:*:*:*:*:*", ""))))}, ",")+`],"timestamp":""}`),
		func(key string) bool { return key == "a:v:p" })
	if err != nil || r.Entries != 4 || r.Refused != 3 || r.Kept != 1 || !k.Has("CVE-2026-1000") || k.Has("CVE-2026-1003") || k.Len() != 1 || !strings.HasPrefix(r.Said[0], "vulnerabilities[1]: ") {
		t.Errorf("%+v, %v", r, err)
	}
	// What was withdrawn is forgotten.
	if _, err := k.Read(strings.NewReader(`{"vulnerabilities":[`+strings.Replace(cve("CVE-2026-1000", plain), `"descriptions"`, `"vulnStatus":"Rejected","descriptions"`, 1)+`]}`), all); err != nil || k.Len() != 0 {
		t.Error(k.Len(), err)
	}
	if c, _ := ParseCPE("cpe:2.3:a:v:p:1:*:*:*:*:*:*:*"); len(k.Match([]CPE{c})) != 0 {
		t.Error("a weakness that was withdrawn hits")
	}
	for _, bad := range []string{"", "[]", "{}", `{"vulnerabilities":[`, `{"vulnerabilities":7}`, `{"x":`} {
		if _, err := k.Read(strings.NewReader(bad), all); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"vulnerabilities":[` + cve("CVE-2026-1000", config("AND", or(criterion(true, "cpe:2.3:a:v:p:*:*:*:*:*:*:*:*", `,"versionEndIncluding":"2"`)), or(criterion(false, "cpe:/o:v:q", "")))) + `]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var k Known
		if r, err := k.Read(strings.NewReader(string(b)), all); err == nil && r.Entries == 0 {
			t.Error("a file with nothing in it is believed")
		}
		c, _ := ParseCPE("cpe:2.3:a:v:p:1:*:*:*:*:*:*:*")
		d, _ := ParseCPE("cpe:/o:v:q:1")
		k.Match([]CPE{c, d})
	})
}
