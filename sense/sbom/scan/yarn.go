package scan

import (
	"encoding/json"
	"path"
	"strings"

	"noroshi/bom"
)

// yarnLock reads yarn.lock of all versions of Yarn: a head of "name@range" each,
// and below it the version and what it needs. The first version does not say what
// the system needs; package.json beside it does.
func (s *scanner) yarnLock(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	g := s.graph()
	var head []string
	var needs []string
	module, version, own, block := "", "", false, ""
	end := func() {
		i := bom.Root
		if !own {
			if module == "" || version == "" {
				return
			}
			i = g.take(npmPURL(module, version))
		}
		g.call(i, head...)
		g.needs(i, needs...)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		text := strings.TrimLeft(line, " ")
		switch indent := len(line) - len(text); {
		case text == "" || text[0] == '#':
		case indent == 0:
			end()
			head, needs, module, version, own, block = nil, nil, "", "", false, ""
			for _, spec := range strings.Split(strings.TrimSuffix(text, ":"), ",") {
				if spec = strings.Trim(strings.TrimSpace(spec), `"`); yarnName(spec) != "" {
					module, head = yarnName(spec), append(head, yarnSpec(spec))
				}
			}
			own = strings.Contains(text, "@workspace:")
		case indent == 2:
			key, value := yarnPair(text)
			if block = key; key == "version" {
				version = value
			}
		case indent == 4 && (block == "dependencies" || block == "optionalDependencies"):
			other, ranged := yarnPair(text)
			needs = append(needs, yarnSpec(other+"@"+ranged))
		}
	}
	end()
	var own1 npmPackage
	if b, err := s.read(path.Join(path.Dir(name), "package.json")); err == nil && json.Unmarshal(b, &own1) == nil {
		for _, list := range []map[string]string{own1.Needs, own1.Dev, own1.Optional} {
			for _, n := range keys(list) {
				g.needs(bom.Root, yarnSpec(n+"@"+list[n]))
			}
		}
	}
	g.join()
	return nil
}

// yarnPair parts "key value" and "key: value".
func yarnPair(text string) (key, value string) {
	if text[0] == '"' {
		key, value, _ = strings.Cut(text[1:], `"`)
		value = strings.TrimPrefix(value, ":")
	} else {
		key, value, _ = strings.Cut(text, " ")
		key = strings.TrimSuffix(key, ":")
	}
	return key, strings.Trim(strings.TrimSpace(value), `"`)
}

// yarnSpec is a name and range without the word npm:, which newer versions add.
func yarnSpec(spec string) string { return strings.Replace(spec, "@npm:", "@", 1) }

// yarnName is the name in "name@range"; an alias is what it stands for.
func yarnName(spec string) string {
	if i := strings.Index(spec, "@npm:"); i > 0 && strings.LastIndexByte(spec, '@') > i+5 {
		spec = spec[i+5:]
	}
	if i := strings.IndexByte(spec[min(1, len(spec)):], '@'); i >= 0 {
		return spec[:i+1]
	}
	return ""
}
