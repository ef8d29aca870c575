package screening

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"sync"
)

// DisposableAsOf is the day of the list of services for throw-away addresses.
const DisposableAsOf = "21 September 2026"

// disposableList is npm's disposable-email-domains-js, see data/vendor.txt: the small list that
// people look after by hand. Larger ones hold readers who use a privacy alias.
//
//go:embed data/disposable_email_blocklist.json.gz
var disposableList []byte

var disposables = sync.OnceValue(func() map[string]struct{} {
	names, err := readDisposables(disposableList)
	if err != nil { // it is part of the binary: it can be read, always
		panic(err)
	}
	listed := make(map[string]struct{}, len(names))
	for _, name := range names {
		listed[name] = struct{}{}
	}
	return listed
})

func readDisposables(packed []byte) (names []string, err error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return names, json.NewDecoder(r).Decode(&names)
}

// isListed reports whether a domain is one of the list.
func isListed(domain string) bool {
	_, ok := disposables()[domain]
	return ok
}
