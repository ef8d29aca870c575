package mockzoho

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gatepost/simulated"
)

// settings are what tests may switch, and are kept in the file. What Zoho's documents
// leave open is among them.
type settings struct {
	// Tokens.
	AccessTokenSeconds     int    `json:"access_token_seconds"`
	CodeSeconds            int    `json:"code_seconds"`
	TokensPerWindow        int    `json:"tokens_per_ten_minutes"`    // of a refresh token
	RefreshTokensPerMinute int    `json:"refresh_tokens_per_minute"` // of a user and an app; 0: any number
	MaxRefreshTokens       int    `json:"max_refresh_tokens"`        // of a user and an app; one more ends the oldest
	MaxAccessTokens        int    `json:"max_access_tokens"`         // alive of a refresh token; one more ends the oldest
	ThrottleStatus         int    `json:"throttle_status"`           // HTTP status of the throttled token end point
	ThrottleTranslated     bool   `json:"throttle_translated"`
	ThrottleProlonged      bool   `json:"throttle_prolonged"` // each refused try begins the ten minutes anew
	ScopeInToken           bool   `json:"scope_in_token"`     // token answers name the scopes
	SpacedScopes           bool   `json:"spaced_scopes"`      // spaces separate scopes, too
	TokensLinger           bool   `json:"access_tokens_linger"`
	AcceptBearer           bool   `json:"accept_bearer"`
	FollowUser             bool   `json:"follow_user"` // log-in sends people of another data centre to their own
	ScopeErrorInData       bool   `json:"scope_error_in_data"`
	CreateMayUpdate        bool   `json:"create_may_update"`  // an upsert with the CREATE scope alone may update
	PermissionStyle        string `json:"permission_style"`   // authorization_failed, no_permission or row
	InactiveAnswer         string `json:"inactive_user_code"` // what the API tells an inactive user
	// Records.
	RowStatus           string            `json:"row_status"` // v8 or old
	EmailUnique         bool              `json:"email_unique"`
	EmailLength         int               `json:"email_length"`
	KeyField            string            `json:"key_field"` // a unique custom field
	CompanyMandatory    bool              `json:"company_mandatory"`
	RequiredField       string            `json:"required_field"` // by the layout
	LayoutBinds         bool              `json:"layout_binds_api"`
	UnknownFields       string            `json:"unknown_fields"`    // drop or refuse
	AmbiguousMatch      string            `json:"ambiguous_match"`   // first, newest or refuse
	UpsertRaces         bool              `json:"upsert_races"`      // rows don't see what is written beside them
	DuplicateWrapped    bool              `json:"duplicate_wrapped"` // in MULTIPLE_OR_MULTI_ERRORS
	DuplicateID         string            `json:"duplicate_id"`      // record, id, both or none
	DuplicateFieldOnNew bool              `json:"duplicate_field_on_insert"`
	BadIDDetails        string            `json:"bad_id_details"` // json_path or id
	MissingRecord       string            `json:"missing_record"` // 204 or invalid_data
	Workflow            string            `json:"workflow"`       // "", lead_source, slow or fail
	WorkflowMS          int               `json:"workflow_ms"`    // a row, of a slow one
	ContactsLabel       string            `json:"contacts_label"`
	Fields              []simulated.Field `json:"fields"`  // that differ from those that every org has
	Layouts             []string          `json:"layouts"` // of Contacts, beside the standard one
	// Queries.
	COQLCase           string `json:"coql_case"`      // ignore or exact
	COQLBackslash      string `json:"coql_backslash"` // refuse or literal
	COQLConverted      bool   `json:"coql_converted"` // finds converted leads
	COQLConvertedField bool   `json:"coql_converted_field"`
	MaxQuery           int    `json:"max_query"` // characters; 0: any number
	SearchLagMS        int    `json:"search_lag_ms"`
	// Limits.
	Edition          string `json:"edition"`
	Licences         int    `json:"licences"`
	Credits          int    `json:"credits"`       // of 24 hours; 0: by edition and licences
	OtherCredits     int    `json:"other_credits"` // used by other apps
	Concurrency      int    `json:"concurrency"`   // 0: by edition
	HeavyConcurrency int    `json:"heavy_concurrency"`
	RetryAfter       int    `json:"retry_after"` // seconds, in answers 429; 0: none
	// Time.
	LatencyMS      int `json:"latency_ms"`
	TokenLatencyMS int `json:"token_latency_ms"`
}

func defaultSettings() settings {
	return settings{
		AccessTokenSeconds: 3600, CodeSeconds: 120, TokensPerWindow: 10, RefreshTokensPerMinute: 5, MaxRefreshTokens: 20, MaxAccessTokens: 10,
		ThrottleStatus: 200, ScopeInToken: true, FollowUser: true, CreateMayUpdate: true,
		PermissionStyle: "authorization_failed", InactiveAnswer: "AUTHENTICATION_FAILURE",
		RowStatus: "v8", EmailLength: 100, CompanyMandatory: true, LayoutBinds: true, UnknownFields: "drop", AmbiguousMatch: "first", DuplicateID: "both",
		BadIDDetails: "json_path", MissingRecord: "204",
		COQLCase: "ignore", COQLBackslash: "refuse", COQLConverted: true, SearchLagMS: 5000,
		Edition: "enterprise", Licences: 10, HeavyConcurrency: 10,
	}
}

// choices are what the settings with a word may say.
func (v *settings) choices() map[string]struct {
	got  string
	from []string
} {
	type choice = struct {
		got  string
		from []string
	}
	return map[string]choice{
		"permission_style":   {v.PermissionStyle, []string{"authorization_failed", "no_permission", "row"}},
		"inactive_user_code": {v.InactiveAnswer, []string{"AUTHENTICATION_FAILURE", "INVALID_TOKEN", "NO_PERMISSION"}},
		"row_status":         {v.RowStatus, []string{"v8", "old"}},
		"unknown_fields":     {v.UnknownFields, []string{"drop", "refuse"}},
		"ambiguous_match":    {v.AmbiguousMatch, []string{"first", "newest", "refuse"}},
		"duplicate_id":       {v.DuplicateID, []string{"record", "id", "both", "none"}},
		"bad_id_details":     {v.BadIDDetails, []string{"json_path", "id"}},
		"missing_record":     {v.MissingRecord, []string{"204", "invalid_data"}},
		"workflow":           {v.Workflow, []string{"", "lead_source", "slow", "fail"}},
		"coql_case":          {v.COQLCase, []string{"ignore", "exact"}},
		"coql_backslash":     {v.COQLBackslash, []string{"refuse", "literal"}},
		"edition":            {v.Edition, editionNames()},
	}
}

func (v *settings) check() error {
	for name, c := range v.choices() {
		if !slices.Contains(c.from, c.got) {
			return fmt.Errorf("%s must be one of %q, not %q", name, c.from, c.got)
		}
	}
	if v.ThrottleStatus != 200 && v.ThrottleStatus != 400 {
		return fmt.Errorf("throttle_status must be 200 or 400, not %d", v.ThrottleStatus)
	}
	if min(v.AccessTokenSeconds, v.CodeSeconds, v.TokensPerWindow, v.MaxRefreshTokens, v.MaxAccessTokens, v.EmailLength, v.Licences, v.HeavyConcurrency) < 1 {
		return errors.New("lifetimes, licences, email_length and the numbers of tokens and heavy calls must be at least 1")
	}
	if min(v.RefreshTokensPerMinute, v.WorkflowMS, v.MaxQuery, v.SearchLagMS, v.Credits, v.OtherCredits, v.Concurrency, v.RetryAfter, v.LatencyMS, v.TokenLatencyMS) < 0 {
		return errors.New("times and limits must not be negative")
	}
	return v.checkFields()
}

func (v *settings) checkFields() error {
	plain := newSchema(defaultSettings())
	if f := v.KeyField; f != "" && (!customName.MatchString(f) || plain.module(contactModule).field(f) != nil || plain.module(leadModule).field(f) != nil) {
		return fmt.Errorf("key_field must be the name of a custom field, such as Gatepost_Id, not %q", f)
	}
	for _, f := range v.Fields {
		if err := plain.change(f); err != nil {
			return err
		}
	}
	if f := v.RequiredField; f != "" && !customName.MatchString(f) {
		return fmt.Errorf("required_field must be the name of a field, not %q", f)
	}
	return nil
}

func (v *settings) latency(kind string) time.Duration {
	switch kind {
	case "token", "revoke":
		return time.Duration(v.TokenLatencyMS) * time.Millisecond
	case "authorize", "other":
		return 0
	}
	return time.Duration(v.LatencyMS) * time.Millisecond
}
