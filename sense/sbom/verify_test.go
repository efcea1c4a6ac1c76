package sbom_test

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"noroshi/fault"
	"noroshi/sense/sbom"
)

// saying is a bill in every form that says these hashes of files: the path, the
// algorithm as CycloneDX writes it, and the hash.
func saying(files [][3]string) map[string]string {
	spdx := func(alg string) string { return strings.ReplaceAll(alg, "-", "") }
	var json, xml, spdxJSON, tags, proto []string
	for i, f := range files {
		json = append(json, fmt.Sprintf(`{"type":"file","bom-ref":"F%d","name":%q,"hashes":[{"alg":%q,"content":%q},{"alg":"MD5","content":%q}]}`, i, f[0], f[1], f[2], strings.Repeat("0", 32)))
		xml = append(xml, fmt.Sprintf(`<component type="file" bom-ref="F%d"><name>%s</name><hashes><hash alg="%s">%s</hash></hashes></component>`, i, f[0], f[1], f[2]))
		spdxJSON = append(spdxJSON, fmt.Sprintf(`{"SPDXID":"F%d","fileName":%q,"checksums":[{"algorithm":%q,"checksumValue":%q}]}`, i, f[0], spdx(f[1]), f[2]))
		tags = append(tags, fmt.Sprintf("FileName: %s\nSPDXID: F%d\nFileChecksum: %s: %s\n", f[0], i, spdx(f[1]), f[2]))
		number := map[string]string{"SHA-256": "\x08\x03", "BLAKE3": "\x08\x0c"}[f[1]]
		proto = append(proto, message(5, "\x08\x06", message(3, fmt.Sprintf("F%d", i)), message(8, f[0]), message(12, number, message(2, f[2]))))
	}
	library := strings.Repeat("ab", 32)
	return map[string]string{
		"CycloneDX JSON":     `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"good","hashes":[{"alg":"SHA-256","content":"` + library + `"}]},` + strings.Join(json, ",") + `]}`,
		"CycloneDX XML":      `<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components>` + strings.Join(xml, "") + `</components></bom>`,
		"CycloneDX protobuf": message(1, "1.6") + strings.Join(proto, ""),
		"SPDX JSON":          `{"spdxVersion":"SPDX-2.3","files":[` + strings.Join(spdxJSON, ",") + `]}`,
		"SPDX tag-value":     "SPDXVersion: SPDX-2.3\nPackageName: good\nPackageChecksum: SHA256: " + library + "\n" + strings.Join(tags, ""),
	}
}

func TestLyingHashesAreToldWithTheirPlace(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for _, name := range []string{filepath.Join(dir, "good"), filepath.Join(dir, "bin", "bad"), filepath.Join(outside, "secret")} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	right, wrong := fmt.Sprintf("%x", sha256.Sum256([]byte("content"))), strings.Repeat("0", 64)
	for form, text := range saying([][3]string{{"./good", "SHA-256", strings.ToUpper(right)}, {"/bin/bad", "SHA-256", wrong}, {"gone", "SHA-256", right}, {"link/secret", "SHA-256", right}, {"../../etc/passwd", "SHA-256", right}, {"bin", "SHA-256", right}}) {
		name := filepath.Join(t.TempDir(), "bill")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := sbom.ReadFiles(name)
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		v, err := sbom.Verify(files, dir)
		if err != nil {
			t.Fatal(err)
		}
		place := "F1"
		if strings.HasPrefix(form, "CycloneDX") {
			place = "bom-ref F1"
		}
		if want := []sbom.Wrong{{Path: "/bin/bad", Place: place, Says: v.Wrong[0].Says, Is: v.Wrong[0].Is}}; v.Same != 1 || !reflect.DeepEqual(v.Wrong, want) || !strings.HasSuffix(want[0].Is, ":"+right) || !strings.HasSuffix(want[0].Says, ":"+wrong) {
			t.Errorf("%s: %+v", form, v)
		}
		// Whatever leads outside is not there, or is not read.
		if len(v.Absent) != 2 || len(v.Open) != 2 {
			t.Errorf("%s: absent %+v, not compared %+v", form, v.Absent, v.Open)
		}
	}
	if _, err := sbom.Verify(nil, filepath.Join(dir, "nowhere")); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}

// A hash that another file can be made for decides nothing where a better one is.
func TestTheStrongestHashCounts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	weak := sbom.Hash{Alg: "MD5", Content: fmt.Sprintf("%x", md5.Sum([]byte("content")))}
	v, err := sbom.Verify([]sbom.File{{Path: "f", Hashes: []sbom.Hash{weak}}, {Path: "f", Hashes: []sbom.Hash{{Alg: "SHA-512", Content: strings.Repeat("0", 128)}, weak}}, {Path: "f", Hashes: []sbom.Hash{{Alg: "BLAKE3", Content: "0"}}}}, dir)
	if err != nil || v.Same != 1 || len(v.Wrong) != 1 || len(v.Open) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}
