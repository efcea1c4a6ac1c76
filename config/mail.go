package config

import (
	"net"
	"time"

	"noroshi/fault"
)

// Mail is the relay through which people get mail.
type Mail struct {
	Relay        string `yaml:"relay" doc:"host:port of the relay (SMTP), such as mail.example.jp:587; empty means that no mail is sent"`
	TLS          string `yaml:"tls" doc:"starttls, tls (from the first byte, port 465), or none (a relay on this machine alone)"`
	Authorities  string `yaml:"authorities" doc:"PEM file of the authorities that the relay's certificate is of; empty means the system's"`
	User         string `yaml:"user" doc:"at the relay; empty when it asks for none"`
	PasswordFile string `yaml:"password_file" doc:"file of its password"`
	From         string `yaml:"from" doc:"address that mail comes from"`
	Contact      string `yaml:"contact" doc:"address of people that answers go to"`
	PerMinute    int    `yaml:"per_minute" doc:"letters handed to the relay per minute, at most"`
	Hour         int    `yaml:"hour" doc:"hour of the day from which on the day's digests are made"`
	Zone         string `yaml:"zone" doc:"time zone of that hour and of the dates in letters"`
}

func (m Mail) check() error {
	bad := func(key, format string, args ...any) error {
		return fault.New(fault.Invalid, "config.check", format, args...).At("hub.mail.%s", key)
	}
	if m.Relay == "" {
		return nil
	}
	if m.Hour < 0 || m.Hour > 23 {
		return bad("hour", "%d is no hour from 0 to 23", m.Hour)
	}
	if m.PerMinute < 1 || m.PerMinute > 10_000 {
		return bad("per_minute", "%d is not between 1 and 10000", m.PerMinute)
	}
	if _, err := time.LoadLocation(m.Zone); err != nil || m.Zone == "" || m.Zone == "Local" {
		return bad("zone", "%q is no time zone such as Asia/Tokyo", m.Zone)
	}
	host, _, err := net.SplitHostPort(m.Relay)
	switch {
	case err != nil || host == "":
		return bad("relay", "%q is not of the form host:port", m.Relay)
	case m.TLS != "starttls" && m.TLS != "tls" && m.TLS != "none":
		return bad("tls", "%q is not starttls, tls or none", m.TLS)
	case m.TLS == "none" && !loopback(host):
		return bad("tls", "%s is not this machine: mail to it would be read on the way", host)
	case m.TLS == "none" && m.User != "":
		return bad("user", "a password is not said in clear: take starttls or tls, or no user")
	case (m.User == "") != (m.PasswordFile == ""):
		return bad("password_file", "a user and the file of its password go together")
	case m.From == "" || m.Contact == "":
		return bad("from", "say where mail comes from and who answers to it (from, contact)")
	}
	return nil
}
