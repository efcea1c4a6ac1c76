package sbom_test

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"noroshi/bom"
	"noroshi/fault"
	"noroshi/sense/sbom"
)

// The same system in every form that is read.
var forms = map[string]string{
	"CycloneDX JSON": `{"dependencies":[{"ref":"r","dependsOn":["a"]},{"ref":"a","dependsOn":["b","gone"]}],
		"bomFormat":"CycloneDX","specVersion":"1.6","x":{"y":[1,{"z":null}]},
		"components":[{"bom-ref":"a","name":"web","version":"v1.2.0","hashes":[{"alg":"SHA-1","content":"12"},{"alg":"MD5","content":"d41d8cd98f00b204e9800998ecf8427e"},{"alg":"X","content":"?"}],"licenses":[{"license":{"id":"MIT"}},{"license":{"name":"Own\n words"}}],"purl":"pkg:golang/example.test/web@v1.2.0","supplier":{"name":"Ann"}},
			{"bom-ref":"b","group":"@s","name":"left","version":"2","licenses":[{"expression":"MIT OR Apache-2.0"}],"purl":"pkg:npm/%40s/left@2"}],
		"metadata":{"timestamp":"2026-01-02T03:04:05Z","authors":[{"name":"Bob"}],"component":{"bom-ref":"r","name":"shop","version":"7"}}}`,
	"CycloneDX XML": `<?xml version="1.0"?><!-- a comment --><c:bom xmlns:c="http://cyclonedx.org/schema/bom/1.5" version="1">
		<c:metadata><c:timestamp>2026-01-02T03:04:05Z</c:timestamp><c:authors><c:author><c:name>Bob</c:name></c:author></c:authors>
		<c:component type="application" bom-ref="r"><c:name>shop</c:name><c:version>7</c:version></c:component></c:metadata>
		<c:components><c:component type="library" bom-ref="a"><c:supplier><c:name>Ann</c:name></c:supplier><c:name>web</c:name><c:version>v1.2.0</c:version><c:hashes><c:hash alg="SHA-1">12</c:hash><c:hash alg="MD5">d41d8cd98f00b204e9800998ecf8427e</c:hash></c:hashes><c:licenses><c:license><c:id>MIT</c:id></c:license><c:license><c:name>Own words</c:name></c:license></c:licenses>
		<c:purl>pkg:golang/example.test/web@v1.2.0</c:purl></c:component><c:component bom-ref="b"><c:group>@s</c:group><c:name>left</c:name>
		<c:version>2</c:version><c:licenses><c:expression>MIT OR Apache-2.0</c:expression></c:licenses><c:purl>pkg:npm/%40s/left@2</c:purl></c:component></c:components>
		<c:services><c:service/></c:services>
		<c:dependencies><c:dependency ref="r"><c:dependency ref="a"/></c:dependency><c:dependency ref="a"><c:dependency ref="b"/><c:dependency ref="gone"/></c:dependency></c:dependencies></c:bom>`,
	"SPDX JSON": `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"document","creationInfo":{"created":"2026-01-02T03:04:05Z","creators":["Person: Bob (bob@example.test)"]},
		"packages":[{"SPDXID":"SPDXRef-r","name":"shop","versionInfo":"7"},
			{"SPDXID":"SPDXRef-a","name":"web","versionInfo":"v1.2.0","licenseConcluded":"NOASSERTION","licenseDeclared":"MIT AND Own words","checksums":[{"algorithm":"SHA1","checksumValue":"12"},{"algorithm":"MD5","checksumValue":"d41d8cd98f00b204e9800998ecf8427e"}],"supplier":"Organization: Ann","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:golang/example.test/web@v1.2.0"}]},
			{"SPDXID":"SPDXRef-b","name":"@s/left","versionInfo":"2","licenseConcluded":"MIT OR Apache-2.0","licenseDeclared":"MIT","supplier":"NOASSERTION","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/%40s/left@2"}]}],
		"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-r"},
			{"spdxElementId":"SPDXRef-r","relationshipType":"DEPENDS_ON","relatedSpdxElement":"SPDXRef-a"},
			{"spdxElementId":"SPDXRef-b","relationshipType":"DEPENDENCY_OF","relatedSpdxElement":"SPDXRef-a"},
			{"spdxElementId":"SPDXRef-a","relationshipType":"DEPENDS_ON","relatedSpdxElement":"SPDXRef-gone"}]}`,
	"SPDX tag-value": `SPDXVersion: SPDX-2.2
# a comment
DocumentName: document
Creator: Person: Bob (bob@example.test)
Created: 2026-01-02T03:04:05Z
DocumentComment: <text>several
PackageName: not one
lines</text>
PackageName: shop
SPDXID: SPDXRef-r
PackageVersion: 7
FileName: ./x
SPDXID: SPDXRef-file
PackageName: web
SPDXID: SPDXRef-a
PackageVersion: v1.2.0
PackageLicenseDeclared: MIT AND Own words
PackageChecksum: SHA1: 12
PackageChecksum: MD5: d41d8cd98f00b204e9800998ecf8427e
PackageSupplier: Organization: Ann
ExternalRef: PACKAGE-MANAGER purl pkg:golang/example.test/web@v1.2.0
PackageName: @s/left
SPDXID: SPDXRef-b
PackageVersion: 2
PackageLicenseConcluded: MIT OR Apache-2.0
PackageLicenseDeclared: MIT
PackageSupplier: NOASSERTION
ExternalRef: PACKAGE-MANAGER purl pkg:npm/%40s/left@2
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-r
Relationship: SPDXRef-r DEPENDS_ON SPDXRef-a
Relationship: SPDXRef-b DEPENDENCY_OF SPDXRef-a
Relationship: SPDXRef-a DEPENDS_ON SPDXRef-gone
`,
}

func TestEveryFormSaysTheSame(t *testing.T) {
	all := map[string]string{"CycloneDX protobuf": binary}
	for form, text := range forms {
		all[form] = "\ufeff \n" + text
	}
	for form, text := range all {
		s, err := sbom.Read(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		if s.Name != "shop" || s.Version != "7" || s.Created != "2026-01-02T03:04:05Z" || !reflect.DeepEqual(s.Authors, []string{"Bob"}) || s.Dangling != 1 || s.BadHashes != 1 || !strings.HasPrefix(s.BadHash, "example.test/web v1.2.0 (SHA") {
			t.Errorf("%s: %+v", form, s)
		}
		last := len(s.Components) - 1
		web, left := s.Components[last-1], s.Components[last]
		if web.PURL.String() != "pkg:golang/example.test/web@v1.2.0" || web.Supplier != "Ann" || web.Version != "v1.2.0" ||
			left.PURL.String() != "pkg:npm/%40s/left@2" || left.Name != "@s/left" || left.Supplier != "" || web.License != "MIT AND Own words" || left.License != "MIT OR Apache-2.0" {
			t.Errorf("%s: %+v, %+v", form, web, left)
		}
		if p := s.Parents(); p[last] != int32(last-1) || p[last-1] == bom.Unreached {
			t.Errorf("%s: parents %v", form, p)
		}
	}
}

func TestBadInputIsRefusedWithItsPlace(t *testing.T) {
	deep := strings.Repeat(`{"components":[`, 100)
	for _, c := range []struct{ name, text, place, says string }{
		{"empty", " \n", "", "empty"},
		{"cut JSON", `{"bomFormat":"CycloneDX","components":[{"name":"a"`, "byte", "ends in the middle"},
		{"broken JSON", "{\"bomFormat\":\"CycloneDX\",\n\"components\":[}", "byte 40", "invalid character"},
		{"wrong type", `{"bomFormat":"CycloneDX","components":{}}`, "byte", "'['"},
		{"other JSON", `{"a":1}`, "", "neither CycloneDX 1.x"},
		{"SPDX 3", `{"@context":"x","@graph":[]}`, "", "SPDX 3"},
		{"nested components", `{"bomFormat":"CycloneDX","specVersion":"1.4","components":[` + deep + strings.Repeat("]}", 100) + `]}`, "byte", "nested deeper"},
		{"nested elsewhere", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "byte", "nested deeper"},
		{"long name", `{"bomFormat":"CycloneDX","specVersion":"1.4","components":[{"name":"` + strings.Repeat("a", 5000) + `"}]}`, "byte", "longer than"},
		{"entity bomb", "<?xml version=\"1.0\"?>\n<!DOCTYPE b [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]>\n<bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\">&b;</bom>", "line 2", "document type"},
		{"unknown entity", `<bom xmlns="http://cyclonedx.org/schema/bom/1.4">&b;</bom>`, "line 1", "entity"},
		{"deep XML", `<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><x>` + strings.Repeat("<a>", 1000), "line 1", "nested deeper"},
		{"other XML", `<html></html>`, "line 1", "not CycloneDX"},
		{"cut XML", `<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components>`, "line 1", "ends in the middle"},
		{"text", "hello\nworld", "line 1", "nor a line of SPDX"},
		{"other tag", "Name: x", "line 1", "begins with SPDXVersion"},
		{"SPDX 1", "SPDXVersion: SPDX-1.2\n", "", "SPDX 2.x is read"},
		{"short relationship", "SPDXVersion: SPDX-2.3\nRelationship: a b", "line 2", "three parts"},
		{"long line", "SPDXVersion: SPDX-2.3\n" + strings.Repeat("a", 2<<20), "line 1", "longer than"},
	} {
		s, err := sbom.Read(strings.NewReader(c.text))
		said := fault.PublicOf(err)
		if err == nil || fault.KindOf(err) != fault.Invalid && fault.KindOf(err) != fault.TooLarge {
			t.Errorf("%s: %v, %+v", c.name, err, s)
		} else if !strings.Contains(said, c.says) || !strings.HasPrefix(said, c.place) {
			t.Errorf("%s: says %q", c.name, said)
		}
	}
}

// endless gives one text again and again.
type endless struct {
	text string
	rest string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		e.rest = e.text
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	e.read += n
	return n, nil
}

func TestTooMuchIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ head, text string }{
		"components": {`{"bomFormat":"CycloneDX","components":[{}`, `,{}`},
		"bytes":      {"SPDXVersion: SPDX-2.3\n", strings.Repeat("a", 60_000) + ": b\n"},
		"edges":      {"SPDXVersion: SPDX-2.3\n", "Relationship: a DEPENDS_ON b\n"},
	} {
		e := &endless{text: c.text}
		_, err := sbom.Read(io.MultiReader(strings.NewReader(c.head), e))
		if fault.KindOf(err) != fault.TooLarge || e.read > sbom.MaxBytes+(1<<20) {
			t.Errorf("%s: %v after %d bytes", name, err, e.read)
		}
	}
}

func TestQualityIsExplained(t *testing.T) {
	s, err := sbom.Read(strings.NewReader(forms["CycloneDX JSON"]))
	if err != nil {
		t.Fatal(err)
	}
	// Of the seven elements only the supplier of one of two is missing.
	if q := sbom.Judge(s); q.Score != 92 || q.Elements[0].Share != 0.5 || !strings.Contains(q.Elements[0].Why, "1 of 2 lack it, such as @s/left 2") {
		t.Errorf("%+v", q)
	}
	if q := sbom.Judge(s); q.Elements[4].Why != "1 dependencies name what is not in it" {
		t.Errorf("%+v", q.Elements[4])
	}
	s.Authors, s.Created, s.Edges = nil, "yesterday", nil
	if q := sbom.Judge(s); q.Score != 50 {
		t.Errorf("without author, time and dependencies: %+v", q)
	}
	if q := sbom.Judge(bom.System{}); q.Score != 0 {
		t.Errorf("an empty one: %+v", q)
	}
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	s, err := sbom.Read(strings.NewReader(forms["SPDX JSON"]))
	if err != nil {
		t.Fatal(err)
	}
	var first, second strings.Builder
	if err := sbom.Write(&first, s, "noroshi", "1"); err != nil {
		t.Fatal(err)
	}
	again, err := sbom.Read(strings.NewReader(first.String()))
	if err != nil {
		t.Fatal(err)
	}
	if again.Name != s.Name || again.Format != "CycloneDX 1.6" || len(again.Components) != len(s.Components) || len(again.Edges) != len(s.Edges) {
		t.Errorf("%+v", again)
	}
	for i, c := range []string{"MIT AND Own words", "MIT OR Apache-2.0"} {
		if got := again.Components[i].License; got != c {
			t.Errorf("the license %q became %q", c, got)
		}
	}
	if err := sbom.Write(&second, again, "noroshi", "1"); err != nil || first.String() != second.String() {
		t.Errorf("written again it differs (%v):\n%s\n%s", err, first.String(), second.String())
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range forms {
		f.Add(text)
	}
	f.Add(binary)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := sbom.Read(strings.NewReader(text))
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
				t.Errorf("%v", err)
			}
			return
		}
		if q := sbom.Judge(s); q.Score < 0 || q.Score > 100 {
			t.Errorf("scored %d", q.Score)
		}
		var b strings.Builder
		if err := sbom.Write(&b, s, "noroshi", "1"); err != nil {
			t.Fatal(err)
		}
		if again, err := sbom.Read(strings.NewReader(b.String())); err != nil || len(again.Components) != len(s.Components) {
			t.Errorf("%d components are written, %d read again: %v", len(s.Components), len(again.Components), err)
		}
	})
}
