package cli

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gatepost/mail"
	"gatepost/routes"
	"gatepost/screening"

	"github.com/caarlos0/env/v11"
)

// storage is what every command that opens the database reads.
type storage struct {
	Database string `env:"GATEPOST_DATABASE" envDefault:"gatepost.db"`
}

// config is what serve reads from the environment.
type config struct {
	Database       string   `env:"GATEPOST_DATABASE" envDefault:"gatepost.db"`
	Migrate        onOff    `env:"GATEPOST_MIGRATE" envDefault:"on"`
	Level          level    `env:"GATEPOST_LOG" envDefault:"info"`
	Addr           string   `env:"GATEPOST_ADDR" envDefault:"127.0.0.1:8080"`
	URL            string   `env:"GATEPOST_URL"`
	Keyset         string   `env:"GATEPOST_KEYSET" envDefault:"keyset.json"`
	ClientID       string   `env:"GATEPOST_SFDC_CLIENT_ID"`
	ClientSecret   string   `env:"GATEPOST_SFDC_CLIENT_SECRET"`
	LoginURL       string   `env:"GATEPOST_SFDC_LOGIN_URL"`
	SignupLimits   onOff    `env:"GATEPOST_SIGNUP_LIMITS" envDefault:"on"`
	APILimit       int      `env:"GATEPOST_API_LIMIT"` // 0 is the usual one
	TrustedProxies networks `env:"GATEPOST_TRUSTED_PROXIES"`
	SMTP           string   `env:"GATEPOST_SMTP"`
	MailFrom       string   `env:"GATEPOST_MAIL_FROM"`
	HelpURL        string   `env:"GATEPOST_HELP_URL"`

	demoUser, demoMail string            // set by demo alone
	demoUsers          []routes.DemoUser // also
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
	problems = append(problems, c.check(problems)...)
	c.URL, c.LoginURL = normalAddress(c.URL), normalAddress(c.LoginURL)
	return c, together(problems)
}

// readStorage reads what the other commands need.
func readStorage(environ map[string]string) (storage, error) {
	var c storage
	return c, together(read(&c, environ))
}

// read fills in v, and returns a line for each value that can't be taken.
func read(v any, environ map[string]string) (problems []string) {
	values := map[string]string{}
	for f := range fields(v) {
		name := f.Tag.Get("env")
		value, err := settled(name, environ)
		if err != nil {
			problems = append(problems, name+": "+err.Error())
			continue
		}
		if value != "" {
			values[name] = value
		}
	}
	err := env.ParseWithOptions(v, env.Options{Environment: values})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return problems
	}
	for _, e := range all.Errors {
		var pe env.ParseError
		if errors.As(e, &pe) {
			f, _ := reflect.TypeOf(v).Elem().FieldByName(pe.Name)
			problems = append(problems, fmt.Sprintf("%s: %v", f.Tag.Get("env"), pe.Err))
			continue
		}
		problems = append(problems, e.Error())
	}
	return problems
}

// fields are those of a struct that the environment fills in.
func fields(v any) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for t, i := reflect.TypeOf(v).Elem(), 0; i < t.NumField(); i++ {
			if f := t.Field(i); f.Tag.Get("env") != "" && !yield(f) {
				return
			}
		}
	}
}

// check returns a line for each problem of what has to be there, or goes together,
// beside those that were found before.
func (c *config) check(found []string) (problems []string) {
	if c.URL == "" && !slices.ContainsFunc(found, func(p string) bool { return strings.HasPrefix(p, "GATEPOST_URL: ") }) {
		problems = append(problems, "GATEPOST_URL: "+checkURL("", "the address under which people reach this server, as https://gatepost.example"))
	}
	if c.SMTP != "" {
		if _, err := c.mailServer(); err != nil {
			problems = append(problems, "GATEPOST_SMTP, GATEPOST_MAIL_FROM: "+err.Error())
		}
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
	case !hostName.MatchString(u.Hostname()) || u.Port() != "" && checkListen(u.Host) != nil || strings.HasSuffix(u.Host, ":"):
		return "its host has to be a name in letters, digits, dots and hyphens (an international one as xn--…) or an address, with a port or none"
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "plain http is for this machine alone (localhost): use https"
	}
	return "it has to begin with https://"
}

// hostName is how a host is written, an IPv6 address included.
var hostName = regexp.MustCompile(`^[A-Za-z0-9._:-]+$`)

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// together makes one error of all problems.
func together(problems []string) error {
	switch len(problems) {
	case 0:
		return nil
	case 1:
		return errors.New(problems[0])
	}
	return errors.New("the configuration is not complete:\n  " + strings.Join(problems, "\n  "))
}

// resolver is who is asked whether domains take mail. The demo asks nobody: its addresses are made
// up, and it works without a network.
func (c config) resolver() screening.Resolver {
	if c.demoUser != "" {
		return nil
	}
	return net.DefaultResolver
}
