package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strings"

	"gatepost/mail"

	"github.com/caarlos0/env/v11"
)

// storage is what every command that opens the database reads.
type storage struct {
	Database string `env:"GATEPOST_DATABASE" envDefault:"gatepost.db"`
}

// config is what serve reads from the environment.
type config struct {
	Database       string         `env:"GATEPOST_DATABASE" envDefault:"gatepost.db"`
	Level          slog.Level     `env:"GATEPOST_LOG" envDefault:"info"`
	Addr           string         `env:"GATEPOST_ADDR" envDefault:"127.0.0.1:8080"`
	URL            string         `env:"GATEPOST_URL"`
	Keyset         string         `env:"GATEPOST_KEYSET" envDefault:"keyset.json"`
	ClientID       string         `env:"GATEPOST_SFDC_CLIENT_ID"`
	ClientSecret   string         `env:"GATEPOST_SFDC_CLIENT_SECRET"`
	LoginURL       string         `env:"GATEPOST_SFDC_LOGIN_URL"`
	SignupLimits   onOff          `env:"GATEPOST_SIGNUP_LIMITS" envDefault:"on"`
	TrustedProxies []netip.Prefix `env:"GATEPOST_TRUSTED_PROXIES"`
	SMTP           string         `env:"GATEPOST_SMTP"`
	MailFrom       string         `env:"GATEPOST_MAIL_FROM"`

	demoUser, demoMail string // set by demo alone
}

// onOff is a switch.
type onOff bool

// UnmarshalText reads "on" or "off".
func (o *onOff) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on":
		*o = true
	case "off":
		*o = false
	default:
		return errors.New(`it is neither "on" nor "off"`)
	}
	return nil
}

// readConfig reads serve's configuration and checks it whole: the error names
// all problems.
func readConfig(environ map[string]string) (config, error) {
	var c config
	problems := read(&c, environ)
	problems = append(problems, c.check()...)
	return c, together(problems)
}

// readStorage reads what the other commands need.
func readStorage(environ map[string]string) (storage, error) {
	var c storage
	return c, together(read(&c, environ))
}

// read fills in v, and returns a line for each value that can't be read.
func read(v any, environ map[string]string) []string {
	err := env.ParseWithOptions(v, env.Options{Environment: environ, FuncMap: map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[netip.Prefix](): func(s string) (any, error) { return netip.ParsePrefix(strings.TrimSpace(s)) },
	}})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return nil
	}
	var problems []string
	for _, e := range all.Errors {
		var pe env.ParseError
		if errors.As(e, &pe) {
			problems = append(problems, fmt.Sprintf("%s: %v", variable(v, pe.Name), pe.Err))
			continue
		}
		problems = append(problems, e.Error())
	}
	return problems
}

// variable is the name of the environment variable of a field.
func variable(v any, field string) string {
	if f, ok := reflect.TypeOf(v).Elem().FieldByName(field); ok {
		return f.Tag.Get("env")
	}
	return field
}

// check returns a line for each problem.
func (c *config) check() []string {
	var problems []string
	note := func(name, problem string) {
		if problem != "" {
			problems = append(problems, name+": "+problem)
		}
	}
	note("GATEPOST_URL", checkURL(c.URL, "the address under which people reach this server, as https://gatepost.example"))
	if c.LoginURL != "" {
		note("GATEPOST_SFDC_LOGIN_URL", checkURL(c.LoginURL, ""))
	}
	if c.SMTP != "" {
		if _, err := c.mailServer(); err != nil {
			note("GATEPOST_SMTP, GATEPOST_MAIL_FROM", err.Error())
		}
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		note("GATEPOST_ADDR", "it is not an address with a port, as 127.0.0.1:8080")
	}
	return problems
}

// mailServer is the mail server that is set. Unless something else is set, mails
// come from gatepost at the host of the public address.
func (c *config) mailServer() (mail.Server, error) {
	from := c.MailFrom
	if from == "" {
		host := "localhost"
		if u, err := url.Parse(c.URL); err == nil && net.ParseIP(u.Hostname()) == nil && u.Hostname() != "" {
			host = u.Hostname()
		}
		from = "Gatepost <gatepost@" + host + ">"
	}
	return mail.ParseServer(c.SMTP, from)
}

func missing(value, what string) string {
	if value == "" {
		return "it is missing: " + what
	}
	return ""
}

// checkURL returns what is wrong with an address that has to be https, or http
// on this machine, and nothing but scheme and host.
func checkURL(raw, what string) string {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return missing(raw, what)
	case err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return "it has to be scheme and host alone, without a path or a slash at its end, as https://gatepost.example"
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "plain http is for this machine alone (localhost): use https"
	}
	return "it has to begin with https://"
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// together makes one error of all problems.
func together(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return errors.New("the configuration is not complete:\n  " + strings.Join(problems, "\n  "))
}
