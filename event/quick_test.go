package event

import (
	"reflect"
	"strings"
	"testing"
)

// fill sets everything that v has, with texts that need escapes in them; parents
// have parents down to a depth.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("a \"b\"\\\n<狼> " + strings.Repeat("x", depth))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(-7 - depth))
	case reflect.Uint64:
		v.SetUint(1234567)
	case reflect.Pointer:
		if depth < 9 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), depth+1)
		fill(v.Index(1), depth+2)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"b": "1", "a": "2\t", "": "", "狼": "x"}))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth)
			}
		}
	}
}

// TestQuickKnowsTheWholeModel: an attribute that it does not know would be read
// rightly, but ten times slower.
func TestQuickKnowsTheWholeModel(t *testing.T) {
	var e Event
	fill(reflect.ValueOf(&e).Elem(), 0)
	for name, e := range map[string]*Event{"all": &e, "whole": whole(), "none": {}, "empty parts": {Device: &Device{}, Actor: &Actor{}, Process: &Process{File: &File{}, User: &User{}},
		Query: &DNSQueryInfo{}, SrcEndpoint: &Endpoint{}, ConnectionInfo: &ConnectionInfo{}, Policy: &Policy{}}} {
		line, err := AppendJSON(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		got := quickly(line)
		if got == nil {
			t.Errorf("%s: given up on %s", name, line)
			continue
		}
		if want, err := slowly(line); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, not %+v, %v", name, got, want, err)
		}
	}
}

// TestQuickGivesUp on what is not written as AppendJSON writes it, good or bad.
func TestQuickGivesUp(t *testing.T) {
	for _, line := range []string{``, `{`, `[]`, `null`, `{}x`, `{} `, ` {}`, `{"time":1,}`, `{,"time":1}`, `{"time":01}`, `{"time":1.0}`, `{"time":1e3}`, `{"time":-}`, `{"time":"1"}`,
		`{"time":1234567890123456789}`, `{"time":1,"class_uid":1}`, `{"time":1,"time":1}`, `{"message":"a}`, `{"message":"\u0041"}`, `{"message":"\x"}`, "{\"message\":\"\n\"}", "{\"message\":\"\xff\"}",
		`{"message":"` + strings.Repeat("x", maxString+1) + `"}`, `{"message":"` + strings.Repeat(`\n`, maxString/2+1) + `"}`, `{"message":null}`, `{"surprise":1}`,
		`{"answers":[]}`, `{"answers":[{},]}`, `{"answers":[{}`, `{"answers":[{}{}]}`, `{"metadata":{"labels":[]}}`, `{"metadata":{"labels":["a",]}}`, `{"metadata":{"sequence":-1}}`,
		`{"unmapped":{"b":"","a":""}}`, `{"unmapped":{"a":"","a":""}}`, `{"unmapped":{"a\n":""}}`, `{"unmapped":{"a":"",}}`, `{"unmapped":{"a"}}`, `{"unmapped":{"a":1}}`, `{"unmapped":null}`} {
		if e := quickly([]byte(line)); e != nil {
			t.Errorf("%.100s was read as %+v", line, e)
		}
	}
}

// FuzzQuick holds that what is read quickly is what is read slowly, with nothing
// taken that must be refused.
func FuzzQuick(f *testing.F) {
	line, err := AppendJSON(nil, whole())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"time":1,"process":{"parent_process":{"file":{"hashes":[{"algorithm_id":1},{}]}}},"unmapped":{"":"\\\"","a":"b","狼":""}}`))
	f.Add([]byte(`{"metadata":{"sequence":0,"profiles":["a","b\t"],"product":{"feature":{"name":""}}},"answers":[{"rdata":"x","ttl":-1}],"exit_code":0}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		got := quickly(line)
		if got == nil {
			return
		}
		want, err := slowly(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s was read as %+v, not as %+v, %v", line, got, want, err)
		}
	})
}
