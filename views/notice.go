package views

// userName is what a person is called in the header.
func userName(u User) string {
	if u.Name != "" {
		return u.Name
	}
	return u.Email
}

// noticeRole makes failures heard at once and the rest when there is time.
func noticeRole(kind FlashKind) string {
	if kind == FlashError {
		return "alert"
	}
	return "status"
}

func noticeIcon(kind FlashKind) string {
	switch kind {
	case FlashSuccess:
		return "ok"
	case FlashWarning, FlashError:
		return "alert"
	default:
		return "info"
	}
}

// noticeWord says the kind of a notice to those who don't see its colour.
func noticeWord(kind FlashKind) string {
	switch kind {
	case FlashSuccess:
		return "Done"
	case FlashWarning:
		return "Warning"
	case FlashError:
		return "Problem"
	default:
		return "Note"
	}
}
