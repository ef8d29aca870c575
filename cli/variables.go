package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"gatepost/db"
	"gatepost/files"
	"gatepost/identity"
)

// variable says how the value of an environment variable is taken.
type variable struct {
	secret bool                     // it may be in a file, which the variable with _FILE after it names
	lines  bool                     // it may have line breaks
	check  func(value string) error // in words for the operator, without the value of a secret; nil for what is checked as it is read
}

// variables are all that are read from the environment. A value is trimmed first,
// and a blank one is none.
var variables = map[string]variable{
	"GATEPOST_URL":                {check: checkAddress},
	"GATEPOST_ADDR":               {check: checkListen},
	"GATEPOST_DATABASE":           {secret: true, check: checkDatabase}, // a URL may have a password in it
	"GATEPOST_MIGRATE":            {},
	"GATEPOST_KEYSET":             {lines: true, check: checkKeyset},
	"GATEPOST_SFDC_CLIENT_ID":     {check: checkClient},
	"GATEPOST_SFDC_CLIENT_SECRET": {secret: true, check: checkClient},
	"GATEPOST_SFDC_LOGIN_URL":     {check: checkAddress},
	"GATEPOST_SMTP":               {secret: true}, // together with GATEPOST_MAIL_FROM
	"GATEPOST_MAIL_FROM":          {},
	"GATEPOST_SIGNUP_LIMITS":      {},
	"GATEPOST_API_LIMIT":          {check: checkCount},
	"GATEPOST_TRUSTED_PROXIES":    {lines: true},
	"GATEPOST_HELP_URL":           {check: checkHelp},
	"GATEPOST_COMPACT_HOUR":       {},
	"GATEPOST_LOG":                {},
}

// inFile is what the name of a variable ends with that names a file with the value.
const inFile = "_FILE"

// maxSecret bounds a file with a secret.
const maxSecret = 64 << 10

// settled returns the value of a variable, "" when there is none, or an error in
// words for the operator.
func settled(name string, environ map[string]string) (string, error) {
	v := variables[name]
	value, path := trimmed(environ[name]), trimmed(environ[name+inFile])
	switch {
	case path != "" && !v.secret:
		return "", fmt.Errorf("%s is not read: give the value itself, in %s", name+inFile, name)
	case path != "" && value != "":
		return "", fmt.Errorf("it is set, and so is %s: take one of them away", name+inFile)
	case path != "":
		b, _, err := files.Read(path, maxSecret)
		if err != nil {
			return "", fmt.Errorf("%s can't be read: %w", name+inFile, plainError(path, err))
		}
		if value = trimmed(string(b)); value == "" {
			return "", fmt.Errorf("%s: %s is empty", name+inFile, path)
		}
	}
	switch control := strings.IndexFunc(value, func(r rune) bool { return unicode.IsControl(r) && (!v.lines || !unicode.IsSpace(r)) }); {
	case value == "":
		return "", nil
	case len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[0] == value[len(value)-1]:
		return "", errors.New("it has quotes around it: leave them out")
	case control >= 0:
		return "", errors.New("there is a line break or another control character in it")
	case v.check != nil:
		return value, v.check(value)
	}
	return value, nil
}

// trimmed is a value without what editors and shells leave around it.
func trimmed(s string) string { return strings.Trim(strings.TrimSpace(s), "\ufeff \t\r\n") }

// plainError names the path of a file once.
func plainError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

func checkAddress(value string) error {
	if problem := checkURL(value, ""); problem != "" {
		return errors.New(problem)
	}
	return nil
}

// checkHelp refuses what is neither a page nor a mailbox: it becomes a link.
func checkHelp(value string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return errors.New("it is not an address")
	case u.Scheme == "https" && u.Host != "" && u.User == nil, u.Scheme == "mailto" && strings.Contains(u.Opaque, "@"):
		return nil
	}
	return errors.New("it is neither https:// and a page nor mailto: and an e-mail address")
}

// normalAddress is an address as browsers write it: they leave out the usual port,
// and compare in small letters.
func normalAddress(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	host := strings.ToLower(u.Host)
	return u.Scheme + "://" + strings.TrimSuffix(host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
}

func checkListen(value string) error {
	host, port, err := net.SplitHostPort(value)
	if err != nil || strings.ContainsAny(host, "/ ") {
		return errors.New("it is not an address with a port, as 127.0.0.1:8080")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 || strings.HasPrefix(port, "+") {
		return errors.New("its port is none: that is a number up to 65535")
	}
	return nil
}

func checkClient(value string) error {
	if !identity.PlainValue(value) {
		return errors.New("it is too long, or has spaces or control characters in it")
	}
	return nil
}

// scheme is how an address begins that is no path.
var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]+):(//)?`)

// checkPath refuses an address where a path has to be: the system would take it
// for one, and make a folder of that name.
func checkPath(value, example string) error {
	switch m := scheme.FindStringSubmatch(value); {
	case m != nil:
		return fmt.Errorf("it begins with %s: give the path alone, as %s", m[1]+":"+m[2], example)
	case strings.HasSuffix(value, "/"):
		return fmt.Errorf("it is the path of a folder: name a file, as %s", example)
	}
	return nil
}

func checkDatabase(value string) error {
	const example = "/var/lib/gatepost/gatepost.db"
	switch {
	case db.Postgres(value):
		return nil // what is wrong with it is said when it is opened
	case strings.Contains(value, ":memory:"):
		return fmt.Errorf("nothing would be kept: give the path of a file, as %s", example)
	case strings.Contains(value, "?"):
		return fmt.Errorf("it has parameters: give the path alone, as %s", example)
	}
	if err := checkPath(value, example); err != nil {
		return err
	}
	folder := filepath.Dir(value)
	switch info, err := os.Stat(folder); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the folder %s doesn't exist: make it, or correct the path", folder)
	case err != nil:
		return plainError(folder, err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", folder)
	}
	return checkFile(value)
}

// checkFile refuses what is there and is no file.
func checkFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return plainError(path, err)
	}
	if err := files.Regular(info); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func checkKeyset(value string) error {
	switch {
	case strings.HasPrefix(value, "{"):
		return nil // the keys themselves
	case strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("there is a line break or another control character in it")
	}
	if err := checkPath(value, "/etc/gatepost/keyset.json"); err != nil {
		return err
	}
	return checkFile(value)
}

// checkCount refuses what is no number, or too large to be meant.
func checkCount(value string) error {
	if n, err := strconv.Atoi(value); err != nil || n < 1 || n > maxCount || strings.HasPrefix(value, "+") {
		return fmt.Errorf("it is not a number from 1 to %d", maxCount)
	}
	return nil
}

const maxCount = 100_000_000

// level is from which level on is logged.
type level slog.Level

// UnmarshalText reads the name of a level.
func (l *level) UnmarshalText(text []byte) error {
	named, ok := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[strings.ToLower(string(text))]
	if !ok {
		return errors.New("it is none of debug, info, warn and error")
	}
	*l = level(named)
	return nil
}

// networks are addresses and networks, separated by commas or spaces.
type networks []netip.Prefix

// UnmarshalText reads them; the error names those that are none.
func (n *networks) UnmarshalText(text []byte) error {
	var wrong []string
	for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) }) {
		p, err := network(word)
		if err != nil {
			wrong = append(wrong, strconv.Quote(word))
			continue
		}
		*n = append(*n, p)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("these are neither addresses nor networks, as 10.0.0.1 or 10.0.0.0/8: %s", strings.Join(wrong, ", "))
	}
	return nil
}

// network reads a network, or an address as a network of one. An IPv4 address that
// is written as an IPv6 one is the IPv4 address.
func network(word string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(strings.Trim(word, "[]")); err == nil {
		a = a.WithZone("").Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(word)
	if a := p.Addr(); err == nil && a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}
