package screening

import (
	"regexp"
	"strings"
)

// links are what no name holds: an address of a page, HTML, and markup of forums. A dot
// alone means nothing: J.R., and "D.Phil" are names.
var links = regexp.MustCompile(`(?i)https?:|www\.|://|<[a-z/!]|\[/?(url|link)|href=|\b[a-z0-9-]{2,}\.(com|net|org|info|biz|ru|cn|top|xyz|click|shop|site|online|link)(/|\b)`)

// holdsLink reports whether a name holds a link or HTML.
func holdsLink(name string) bool {
	return strings.ContainsAny(name, ".:<[=") && links.MatchString(name)
}
