package scan_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"noroshi/bom"
	"noroshi/fault"
	"noroshi/sense/sbom/scan"
)

// folder makes files out of names and texts.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lines are the components and dependencies of a system as text, in order.
func lines(s bom.System) (list []string) {
	label := func(i int) string {
		if i == bom.Root {
			return "*"
		}
		return s.Components[i].PURL.String()
	}
	for i := range s.Components {
		list = append(list, label(i))
	}
	for _, e := range s.Edges {
		list = append(list, label(e.From)+" > "+label(e.To))
	}
	slices.Sort(list)
	return list
}

func TestFolders(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"go.mod": {map[string]string{
			"go.mod": "module example.test/app\ngo 1.22\nrequire one.test/a v1.0.0 // why\nrequire (\n\t\"two.test/b\" v2.0.0+incompatible // indirect\n\tthree.test/c v1.0.0\n\tfour.test/d v1.0.0\n)\nreplace three.test/c => fork.test/c v1.5.0\nreplace four.test/d v1.0.0 => ./d\n",
			"go.sum": "old.test/x v0.1.0 h1:x=\n", ".git/go.mod": "module no.test/n\nrequire no.test/m v1.0.0\n", "testdata/go.mod": "module no.test/n\nrequire no.test/m v1.0.0\n",
		}, []string{"* > pkg:golang/fork.test/c@v1.5.0", "* > pkg:golang/one.test/a@v1.0.0", "pkg:golang/fork.test/c@v1.5.0", "pkg:golang/one.test/a@v1.0.0", "pkg:golang/two.test/b@v2.0.0%2Bincompatible"}},
		"old go.mod": {map[string]string{
			"sub/go.mod": "module example.test/old\ngo 1.16\nrequire one.test/a v1.0.0\n",
			"sub/go.sum": "one.test/a v1.0.0 h1:x=\none.test/a v1.0.0/go.mod h1:x=\ndeep.test/y v0.2.0 h1:x=\nnot.test/built v0.2.0/go.mod h1:x=\n",
		}, []string{"* > pkg:golang/example.test/old", "pkg:golang/deep.test/y@v0.2.0", "pkg:golang/example.test/old", "pkg:golang/example.test/old > pkg:golang/one.test/a@v1.0.0", "pkg:golang/one.test/a@v1.0.0"}},
		"npm 3": {map[string]string{
			"package-lock.json": `{"name":"app","version":"1.0.0","lockfileVersion":3,"packages":{"":{"dependencies":{"a":"^1"},"devDependencies":{"@s/d":"*"}},
				"node_modules/a":{"version":"1.1.0","dependencies":{"b":"^2"}},"node_modules/a/node_modules/b":{"version":"2.0.0","dependencies":{"c":"*"}},
				"node_modules/b":{"version":"1.0.0"},"node_modules/c":{"version":"3.0.0"},"node_modules/@s/d":{"version":"4.0.0"},"node_modules/l":{"link":true},"l":{"version":"0.1.0","dependencies":{"c":"*"}}}}`,
			"node_modules/a/package-lock.json": `{"name":"inner","packages":{"node_modules/no":{"version":"9.9.9"}}}`,
		}, []string{"* > pkg:npm/%40s/d@4.0.0", "* > pkg:npm/a@1.1.0", "* > pkg:npm/c@3.0.0", "pkg:npm/%40s/d@4.0.0", "pkg:npm/a@1.1.0", "pkg:npm/a@1.1.0 > pkg:npm/b@2.0.0", "pkg:npm/b@1.0.0", "pkg:npm/b@2.0.0", "pkg:npm/b@2.0.0 > pkg:npm/c@3.0.0", "pkg:npm/c@3.0.0"}},
		"npm 1": {map[string]string{
			"package-lock.json": `{"name":"app","version":"1.0.0","lockfileVersion":1,"requires":true,"dependencies":{"a":{"version":"1.1.0","requires":{"b":"^2"},"dependencies":{"b":{"version":"2.0.0"}}},"b":{"version":"1.0.0"},"g":{"version":"git+https://x.test/g"}}}`,
		}, []string{"* > pkg:npm/a@1.1.0", "* > pkg:npm/b@1.0.0", "pkg:npm/a@1.1.0", "pkg:npm/a@1.1.0 > pkg:npm/b@2.0.0", "pkg:npm/b@1.0.0", "pkg:npm/b@2.0.0"}},
		"Python": {map[string]string{
			"lib/Foo_Bar-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1.0\nRequires-Dist: baz (>=1)\nRequires-Dist: qux ; extra == 'x'\n\nProse: of no meaning\n",
			"lib/baz-2.0.dist-info/METADATA":     "Name: baz\nVersion: 2.0\n", "lib/qux-3.dist-info/METADATA": "Name: qux\nVersion: 3\n",
			"requirements.txt": "# pinned\nAda[x]==1.5 \\\n    --hash=sha256:00\nloose>=2\nstar==1.*\nmark == 2.0 ; python_version > '3'\n-r other.txt\n",
		}, []string{"* > pkg:pypi/ada@1.5", "* > pkg:pypi/mark@2.0", "pkg:pypi/ada@1.5", "pkg:pypi/baz@2.0", "pkg:pypi/foo-bar@1.0", "pkg:pypi/foo-bar@1.0 > pkg:pypi/baz@2.0", "pkg:pypi/mark@2.0", "pkg:pypi/qux@3"}},
		"Debian": {map[string]string{
			"etc/os-release":              "ID=debian\nVERSION_ID=\"12\"\n",
			"var/lib/apt/extended_states": "Package: libssl3\nAuto-Installed: 1\n",
			"var/lib/dpkg/status": "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.88.1-10+deb12u5\nDepends: libssl3 (>= 3.0), none | nothing\nDescription: x\n Package: fake\n\n" +
				"Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1\nSource: openssl (3.0.11-1~deb12u2)\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
		}, []string{"* > pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?arch=amd64&distro=debian-12", "pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?arch=amd64&distro=debian-12",
			"pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?arch=amd64&distro=debian-12 > pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12&upstream=openssl%403.0.11-1~deb12u2",
			"pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12&upstream=openssl%403.0.11-1~deb12u2"}},
		"Alpine": {map[string]string{
			"etc/os-release": "ID=alpine\nVERSION_ID=3.18.4\n", "etc/apk/world": "curl>1\n",
			"lib/apk/db/installed": "C:Q1x=\nP:curl\nV:8.4.0-r0\nA:x86_64\nL:curl\nm:Ann\nD:so:libssl.so.3 !none\nF:usr\nR:P:no\n\nP:libssl3\nV:3.1.4-r0\nA:x86_64\no:openssl\np:so:libssl.so.3=3\n\n",
		}, []string{"* > pkg:apk/alpine/curl@8.4.0-r0?arch=x86_64&distro=alpine-3.18.4", "pkg:apk/alpine/curl@8.4.0-r0?arch=x86_64&distro=alpine-3.18.4",
			"pkg:apk/alpine/curl@8.4.0-r0?arch=x86_64&distro=alpine-3.18.4 > pkg:apk/alpine/libssl3@3.1.4-r0?arch=x86_64&distro=alpine-3.18.4&upstream=openssl", "pkg:apk/alpine/libssl3@3.1.4-r0?arch=x86_64&distro=alpine-3.18.4&upstream=openssl"}},
		"Rust": {map[string]string{
			"Cargo.lock": "version = 3\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n \"b 2.0.0\",\n]\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+https://x.test\"\ndependencies = [\n \"b 1.0.0 (registry+https://x.test)\",\n]\n\n" +
				"[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"registry+https://x.test\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"registry+https://x.test\"\n\n[metadata]\nname = \"no\"\n",
		}, []string{"* > pkg:cargo/a@1.0.0", "* > pkg:cargo/b@2.0.0", "pkg:cargo/a@1.0.0", "pkg:cargo/a@1.0.0 > pkg:cargo/b@1.0.0", "pkg:cargo/b@1.0.0", "pkg:cargo/b@2.0.0"}},
		"Poetry": {map[string]string{
			"poetry.lock": "[[package]]\nname = \"A.x\"\nversion = \"1.0\"\nfiles = [\n    {file = \"no\"},\n]\n\n[package.dependencies]\nB = \">=1\"\n\n[package.extras]\nc = [\"no\"]\n\n[[package]]\nname = \"b\"\nversion = \"2.0\"\n\n[metadata]\n",
		}, []string{"* > pkg:pypi/a-x@1.0", "pkg:pypi/a-x@1.0", "pkg:pypi/a-x@1.0 > pkg:pypi/b@2.0", "pkg:pypi/b@2.0"}},
		"uv": {map[string]string{
			"uv.lock": "version = 1\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\nsource = { virtual = \".\" }\ndependencies = [\n    { name = \"A-b\", marker = \"x\" },\n]\n\n[[package]]\nname = \"a-b\"\nversion = \"1.0\"\nsource = { registry = \"https://x.test\" }\ndependencies = [{ name = \"c\" }]\n\n[[package]]\nname = \"c\"\nversion = \"3\"\n",
		}, []string{"* > pkg:pypi/a-b@1.0", "pkg:pypi/a-b@1.0", "pkg:pypi/a-b@1.0 > pkg:pypi/c@3", "pkg:pypi/c@3"}},
		"Pipenv": {map[string]string{"Pipfile.lock": `{"default":{"A.b":{"version":"==1.0"},"git":{"ref":"x"}},"develop":{"c":{"version":"==2"}}}`}, []string{"pkg:pypi/a-b@1.0", "pkg:pypi/c@2"}},
		"Bundler": {map[string]string{
			"Gemfile.lock": "PATH\n  remote: .\n  specs:\n    own (1.0)\n      rails (= 7.0.4)\n\nGEM\n  remote: https://x.test/\n  specs:\n    nokogiri (1.14.0-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.6.2)\n    rails (7.0.4)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  nokogiri (~> 1)\n  own!\n  rails\n\nBUNDLED WITH\n   2.4\n",
		}, []string{"* > pkg:gem/nokogiri@1.14.0", "* > pkg:gem/rails@7.0.4", "pkg:gem/nokogiri@1.14.0", "pkg:gem/nokogiri@1.14.0 > pkg:gem/racc@1.6.2", "pkg:gem/racc@1.6.2", "pkg:gem/rails@7.0.4"}},
		"Composer": {map[string]string{
			"composer.lock": `{"packages":[{"name":"A/b","version":"v1.0.0","license":["MIT"],"require":{"php":">=8","c/d":"^2"}},{"name":"c/d","version":"2.0","require":[]}],"packages-dev":[{"name":"e/f","version":"3.0"}]}`,
			"composer.json": `{"require":{"a/B":"^1"},"require-dev":{"e/f":"*"}}`,
		}, []string{"* > pkg:composer/a/b@v1.0.0", "* > pkg:composer/e/f@3.0", "pkg:composer/a/b@v1.0.0", "pkg:composer/a/b@v1.0.0 > pkg:composer/c/d@2.0", "pkg:composer/c/d@2.0", "pkg:composer/e/f@3.0"}},
		"NuGet": {map[string]string{
			"packages.lock.json": `{"version":1,"dependencies":{"net8.0":{"A":{"type":"Direct","resolved":"1.0.0","dependencies":{"b":"2.0.0"}},"B":{"type":"Transitive","resolved":"2.0.0"},"lib":{"type":"Project","dependencies":{"C":"3.0.0"}},"C":{"type":"Transitive","resolved":"3.0.0"}}}}`,
		}, []string{"* > pkg:nuget/A@1.0.0", "* > pkg:nuget/C@3.0.0", "pkg:nuget/A@1.0.0", "pkg:nuget/A@1.0.0 > pkg:nuget/B@2.0.0", "pkg:nuget/B@2.0.0", "pkg:nuget/C@3.0.0"}},
		"Maven": {map[string]string{
			"pom.xml": `<project xmlns="http://maven.apache.org/POM/4.0.0"><parent><groupId>g</groupId><version>4</version></parent><artifactId>app</artifactId><properties><v>${w}</v><w>1.5</w></properties>
				<dependencyManagement><dependencies><dependency><groupId>m</groupId><artifactId>managed</artifactId><version>2</version></dependency><dependency><groupId>m</groupId><artifactId>unused</artifactId><version>2</version></dependency></dependencies></dependencyManagement>
				<dependencies><dependency><groupId>a</groupId><artifactId>b</artifactId><version>${v}</version></dependency><dependency><groupId>${project.groupId}</groupId><artifactId>own</artifactId><version>${project.version}</version></dependency>
				<dependency><groupId>m</groupId><artifactId>managed</artifactId></dependency><dependency><groupId>t</groupId><artifactId>t</artifactId><version>1</version><scope>test</scope></dependency></dependencies></project>`,
			"sub/gradle.lockfile": "# comment\nx.y:z:1.2=compileClasspath,runtimeClasspath\nempty=annotationProcessor\n",
		}, []string{"* > pkg:maven/a/b@1.5", "* > pkg:maven/g/own@4", "* > pkg:maven/m/managed@2", "pkg:maven/a/b@1.5", "pkg:maven/g/own@4", "pkg:maven/m/managed@2", "pkg:maven/x.y/z@1.2"}},
		"Yarn 1": {map[string]string{
			"yarn.lock":    "# yarn lockfile v1\n\n\"@s/a@^1.0.0\", \"@s/a@^1.1.0\":\n  version \"1.2.0\"\n  resolved \"https://x.test/\"\n  dependencies:\n    b \"^2.0.0\"\n\n\"alias@npm:b@^3\":\n  version \"3.0.0\"\n\nb@^2.0.0:\n  version \"2.0.1\"\n",
			"package.json": `{"name":"app","dependencies":{"@s/a":"^1.1.0"},"devDependencies":{"alias":"npm:b@^3"}}`,
		}, []string{"* > pkg:npm/%40s/a@1.2.0", "* > pkg:npm/b@3.0.0", "pkg:npm/%40s/a@1.2.0", "pkg:npm/%40s/a@1.2.0 > pkg:npm/b@2.0.1", "pkg:npm/b@2.0.1", "pkg:npm/b@3.0.0"}},
		"Yarn 4": {map[string]string{
			"yarn.lock": "__metadata:\n  version: 8\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"app@workspace:.\"\n  dependencies:\n    a: \"npm:^1.0.0\"\n\n\"a@npm:^1.0.0\":\n  version: 1.2.0\n  resolution: \"a@npm:1.2.0\"\n  dependencies:\n    \"@s/b\": \"npm:^2.0.0\"\n\n\"@s/b@npm:^2.0.0\":\n  version: 2.0.1\n",
		}, []string{"* > pkg:npm/a@1.2.0", "pkg:npm/%40s/b@2.0.1", "pkg:npm/a@1.2.0", "pkg:npm/a@1.2.0 > pkg:npm/%40s/b@2.0.1"}},
		"pnpm 9": {map[string]string{
			"pnpm-lock.yaml": "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      a:\n        specifier: ^1\n        version: 1.0.0(p@3.0.0)\n      local:\n        version: link:../local\npackages:\n  a@1.0.0:\n    resolution: {integrity: x}\n  '@s/b@2.0.0': {}\n  p@3.0.0: {}\n  g@https://x.test/g: {}\nsnapshots:\n  a@1.0.0(p@3.0.0):\n    dependencies:\n      '@s/b': 2.0.0\n      q: p@3.0.0\n",
		}, []string{"* > pkg:npm/a@1.0.0", "pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0", "pkg:npm/a@1.0.0 > pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0 > pkg:npm/p@3.0.0", "pkg:npm/p@3.0.0"}},
		"pnpm 5": {map[string]string{
			"pnpm-lock.yaml": "lockfileVersion: 5.4\ndependencies:\n  a: 1.0.0_p@3.0.0\npackages:\n  /a/1.0.0_p@3.0.0:\n    dependencies:\n      '@s/b': 2.0.0\n  /@s/b/2.0.0:\n    dev: false\n",
		}, []string{"* > pkg:npm/a@1.0.0", "pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0", "pkg:npm/a@1.0.0 > pkg:npm/%40s/b@2.0.0"}},
		"npm for the machine": {map[string]string{
			"usr/lib/node_modules/npm/package.json": `{"name":"npm","version":"10.0.0","license":{"type":"Artistic-2.0"},"dependencies":{"@s/a":"^1"}}`, "usr/lib/node_modules/npm/node_modules/@s/a/package.json": `{"name":"@s/a","version":"1.0.0"}`,
			"usr/lib/node_modules/npm/lib/package.json": `{"name":"inner","version":"1"}`, "home/x/node_modules/b/package.json": `{"name":"b","version":"1.0.0"}`,
		}, []string{"* > pkg:npm/npm@10.0.0", "pkg:npm/%40s/a@1.0.0", "pkg:npm/npm@10.0.0", "pkg:npm/npm@10.0.0 > pkg:npm/%40s/a@1.0.0"}},
	} {
		r, err := scan.Dir(folder(t, c.files))
		if err != nil || len(r.Notes) > 0 {
			t.Errorf("%s: %v, %v", name, err, r.Notes)
		}
		slices.Sort(c.want)
		if got := lines(r.System); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nnot\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// This test is itself a program of Go.
func TestProgramsSayWhatTheyAreMadeOf(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "program"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := scan.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(lines(r.System), "\n"); !strings.Contains(got, "pkg:golang/noroshi > pkg:golang/stdlib@1.") {
		t.Error(got)
	}
}

func TestBrokenFilesAndLinksHideNothing(t *testing.T) {
	dir := folder(t, map[string]string{"a/package-lock.json": "{", "b/x.dist-info/METADATA": "no headers", "requirements.txt": "good==1.0\n"})
	outside := folder(t, map[string]string{"requirements.txt": "secret==1.0\n"})
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "requirements.txt"), filepath.Join(dir, "requirements-more.txt")); err != nil {
		t.Fatal(err)
	}
	r, err := scan.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(r.System); !slices.Equal(got, []string{"* > pkg:pypi/good@1.0", "pkg:pypi/good@1.0"}) {
		t.Error(got)
	}
	if len(r.Notes) != 2 || !strings.Contains(r.Notes[0], "a/package-lock.json") || !strings.Contains(r.Notes[1], "METADATA") {
		t.Error(r.Notes)
	}
	if _, err := scan.Dir(filepath.Join(dir, "nowhere")); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}
