package forms

import (
	"maps"
	"strings"
)

// JSONSchema is the form as a JSON schema (2020-12), of what is sent as JSON and of what is
// stored. Keys that nobody is asked for any more are marked as deprecated.
func (d Definition) JSONSchema() map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range d.Fields {
		now := f.schema()
		if f.Deleted {
			now["deprecated"] = true
		} else if f.Required {
			required = append(required, f.Key)
		}
		properties[f.Key] = now
		earlier := f
		earlier.Required = false
		for _, key := range f.Was {
			was := earlier.schema()
			was["deprecated"] = true
			properties[key] = was
		}
	}
	properties[ConsentKey] = map[string]any{"type": orNull("boolean", !d.Consent.Box), "const": true, "description": d.Consent.Words}
	if d.Consent.Box {
		required = append(required, ConsentKey)
	} else {
		properties[ConsentKey] = map[string]any{"enum": []any{true, nil}, "description": d.Consent.Words}
	}
	properties[VersionKey] = map[string]any{"type": orNull("integer", true), "minimum": 0, "description": "The version of the form that was shown."}
	properties[ProofKey] = map[string]any{"type": orNull("string", true), "description": "A proof of work, as ALTCHA's widget makes it of a challenge of this form."}
	return map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"type":                 "object",
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
	}
}

// schema is a field as a JSON schema. What may be left out may be null too.
func (f Field) schema() map[string]any {
	s := kinds[f.Type].schema(f)
	if label := f.Label; label != "" {
		s["title"] = label
	}
	if f.Help != "" {
		s["description"] = f.Help
	}
	if !f.optional() {
		return s
	}
	switch only, enum := s["enum"].([]any); {
	case enum:
		s["enum"] = append(only, nil)
	default:
		s["type"] = orNull(s["type"].(string), true)
	}
	return s
}

// optional reports whether a field may be left out.
func (f Field) optional() bool { return !f.Required || f.Deleted }

func orNull(kind string, null bool) any {
	if null {
		return []any{kind, "null"}
	}
	return kind
}

func schemaOfEmail(f Field) map[string]any {
	return map[string]any{"type": "string", "format": "email", "maxLength": f.Limit()}
}

func schemaOfText(f Field) map[string]any {
	s := map[string]any{"type": "string", "maxLength": f.Limit()}
	if p, ok := PatternNamed(f.Pattern); ok {
		s["pattern"] = p.Schema()
	}
	if !f.optional() {
		s["minLength"] = 1
	}
	if p := f.Pattern; p != "" && f.optional() { // nothing at all is no match
		s["pattern"] = strings.TrimSuffix(s["pattern"].(string), "$") + "?$"
	}
	return s
}

func schemaOfChoice(f Field) map[string]any {
	all := []any{}
	for _, o := range f.Options {
		all = append(all, o.Value)
	}
	if f.optional() {
		all = append(all, "")
	}
	return map[string]any{"enum": all}
}

func schemaOfChoices(f Field) map[string]any {
	all := []any{}
	for _, o := range f.Options {
		all = append(all, o.Value)
	}
	s := map[string]any{"type": "array", "items": map[string]any{"enum": all}, "maxItems": f.Limit()}
	if !f.optional() {
		s["minItems"] = 1
	}
	return s
}

func schemaOfCheckbox(f Field) map[string]any {
	if !f.optional() {
		return map[string]any{"type": "boolean", "const": true}
	}
	return map[string]any{"type": "boolean"}
}

func schemaOfDate(f Field) map[string]any {
	return emptyToo(f, `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, map[string]any{"type": "string"})
}

func schemaOfNumber(Field) map[string]any {
	return map[string]any{"type": "number", "exclusiveMinimum": -1e15, "exclusiveMaximum": 1e15}
}

func schemaOfPhone(f Field) map[string]any {
	return emptyToo(f, phonePattern, map[string]any{"type": "string"})
}

func schemaOfCountry(f Field) map[string]any {
	all := []any{}
	for _, code := range CountryCodes {
		all = append(all, code)
	}
	return map[string]any{"enum": all}
}

// emptyToo gives a schema a pattern, which takes the empty text where a field may be left out.
func emptyToo(f Field, pattern string, s map[string]any) map[string]any {
	s = maps.Clone(s)
	if f.optional() {
		pattern = `^(?:` + strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$") + `)?$`
	}
	s["pattern"] = pattern
	return s
}
