package routes

// AuthEvents are the events of log-in and access, each with its level.
func AuthEvents() map[string]string {
	all := make(map[string]string)
	for _, e := range authEvents {
		all[e.text] = e.level.String()
	}
	return all
}

// Acts are what forms do, by their routes: the page that each is on, and the fields that
// are carried through a log-in, with their labels.
func Acts() map[string]Act {
	all := make(map[string]Act)
	for route, a := range acts {
		out := Act{Back: a.back, Typed: map[string]string{}}
		for _, f := range a.typed {
			out.Typed[f.name] = f.label
		}
		all[route] = out
	}
	return all
}

// Act is a row of acts.
type Act struct {
	Back  string
	Typed map[string]string
}

// MaxTyped is how many bytes are carried through a log-in.
const MaxTyped = maxTyped

// IsPage reports whether a path is of a page, in a portal with these routes of pages.
func IsPage(pages []string, path string) bool { return (&server{pages: pages}).isPage(path) }
