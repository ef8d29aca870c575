package static

import (
	"crypto/sha512"
	"encoding/base64"
	"strconv"
	"sync"
)

// EmbedPrefix is the path under which the versions of the script for forms in other sites
// are served.
const EmbedPrefix = "/embed/"

// EmbedVersion is the version that is given out now. Those before it stay in files/embed, as
// they are: pages of customers load each by its address, and check its hash.
const EmbedVersion = 1

// EmbedScript is one version of the script for forms in other sites.
type EmbedScript struct {
	Asset
	Path      string // "/embed/1.js"
	Integrity string // for the attribute of that name: "sha384-…"
}

// Embed returns a version of the script, counted from 1, and whether there is one.
func Embed(version int) (EmbedScript, bool) {
	all := embedScripts()
	if version < 1 || version > len(all) {
		return EmbedScript{}, false
	}
	return all[version-1], true
}

var embedScripts = sync.OnceValue(func() (all []EmbedScript) {
	for version := range EmbedVersion {
		name := strconv.Itoa(version+1) + ".js"
		body, err := files.ReadFile("files/embed/" + name)
		if err != nil { // the files are part of the binary: they can be read, always
			panic(err)
		}
		a, err := newAsset(name, body)
		if err != nil {
			panic(err)
		}
		sum := sha512.Sum384(body)
		all = append(all, EmbedScript{a, EmbedPrefix + name, "sha384-" + base64.StdEncoding.EncodeToString(sum[:])})
	}
	return all
})
