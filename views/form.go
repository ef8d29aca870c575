package views

import "strings"

// field is a labelled input.
type field struct {
	Name         string
	ID           string // its name when empty
	Label        string
	Type         string
	Value        string
	Hint         string
	Error        string
	Autocomplete string
	List         string // id of a datalist with suggestions
	MaxLength    int    // of the value in characters; not bounded here when 0
	Optional     bool   // said so; every other field is required
	Free         bool   // neither said to be optional nor required: the server knows
	Focus        bool
}

// inputType is text unless the field says otherwise. An address is text too: for a
// field of type email browsers refuse, in words of their own, what was pasted with a
// name or a space, and what we would understand.
func (f field) inputType() string {
	if f.Type == "" || f.Type == "email" {
		return "text"
	}
	return f.Type
}

// id is what labels and help name the field by.
func (f field) id() string {
	if f.ID != "" {
		return f.ID
	}
	return f.Name
}

// describedBy names the elements that explain the field.
func (f field) describedBy() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.id()+"-hint")
	}
	if f.Error != "" {
		ids = append(ids, f.id()+"-error")
	}
	return strings.Join(ids, " ")
}

// fields fills in the errors and puts the focus on the first field that has one;
// without errors it stays where the page put it.
func fields(errs FieldErrors, all ...field) []field {
	focused := false
	for i := range all {
		f := &all[i]
		f.Error = errs[f.Name]
		if f.Error != "" && !focused {
			focused = true
			f.Focus = true
		} else if len(errs) > 0 {
			f.Focus = false
		}
	}
	return all
}

// summary is the sentence above a form that was not accepted.
func (e FieldErrors) summary() string {
	if s := e[""]; s != "" {
		return s
	}
	return "That didn’t work yet. Please look at the marked fields and try again."
}

// title marks a page's title while its form has errors, so that screen readers
// say so first.
func (p Page) titled(errs FieldErrors) Page {
	if len(errs) > 0 {
		p.Title = "Error: " + p.Title
	}
	return p
}
