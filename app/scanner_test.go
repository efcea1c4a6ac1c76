package app

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"noroshi/analyse/exposure"
	"noroshi/sense/surface"
)

// fill sets every field that can be set to something.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		switch x := v.Addr().Interface().(type) {
		case *netip.Addr:
			*x = netip.MustParseAddr("192.0.2.1")
		case *time.Time:
			*x = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
		default:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("tcp")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Uint16:
		v.SetUint(443)
	}
}

// TestTheHubReadsWhatScannersTell hands over a port with everything in it: each
// field that the hub has for it must come from the scanner under its name.
func TestTheHubReadsWhatScannersTell(t *testing.T) {
	var p surface.Port
	fill(reflect.ValueOf(&p).Elem())
	line, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := exposure.DecodePort(line)
	if err != nil {
		t.Fatal(err)
	}
	var empty []string
	missing(reflect.ValueOf(got), "", &empty)
	if len(empty) > 0 {
		t.Errorf("no scanner says what the hub calls %s", strings.Join(empty, ", "))
	}
}

func missing(v reflect.Value, name string, out *[]string) {
	if v.IsZero() {
		*out = append(*out, name)
		return
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() == reflect.Struct && strings.HasPrefix(v.Type().PkgPath(), "noroshi/") {
		for i := range v.NumField() {
			missing(v.Field(i), name+"."+v.Type().Field(i).Name, out)
		}
	}
}
