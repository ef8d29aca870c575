package mocksalesforce

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gatepost/simulated"
)

// settings are what tests may switch, and people on the panel. They are kept in the file.
type settings struct {
	Rotation            bool              `json:"rotation"`
	RequirePKCE         bool              `json:"require_pkce"`
	LatencyMS           int               `json:"latency_ms"`
	TokenLatencyMS      int               `json:"token_latency_ms"`
	AccessTokenSeconds  int               `json:"access_token_seconds"`
	RefreshIdleSeconds  int               `json:"refresh_idle_seconds"` // 0: a refresh token never idles out
	CodeSeconds         int               `json:"code_seconds"`
	MaxApprovals        int               `json:"max_approvals"`
	IssueRefreshToken   bool              `json:"issue_refresh_token"`
	DailyLimit          int               `json:"daily_limit"`
	OtherCalls          int               `json:"other_calls"` // API calls that others of the org's own have made today
	DuplicateRule       string            `json:"duplicate_rule"`
	DuplicateMatch      string            `json:"duplicate_match"` // what makes two Contacts the same: email, or name
	ValidationRule      bool              `json:"validation_rule"` // refuses a last name with a digit in it
	RequiredField       string            `json:"required_field"`  // of Contacts, beside the last name
	ExternalIDField     string            `json:"external_id_field"`
	Fields              []simulated.Field `json:"fields"`          // that differ from those which every org has
	RecordTypes         []string          `json:"record_types"`    // names, of Contacts and of Leads alike
	AssignmentRule      bool              `json:"assignment_rule"` // gives Leads to a queue, unless the call says not to
	AllowedScopes       string            `json:"allowed_scopes"`
	AppInstalled        bool              `json:"app_installed"`
	RememberApproval    bool              `json:"remember_approval"`
	InstanceURLOverride string            `json:"instance_url"` // what token responses say instead of the own address

	schema *schema // what follows from the rest
}

// What a duplicate rule compares.
const (
	matchEmail = "email"
	matchName  = "name"
)

func defaultSettings() settings {
	return settings{
		Rotation:           true,
		RequirePKCE:        true,
		AccessTokenSeconds: 7200,
		CodeSeconds:        900,
		MaxApprovals:       5,
		IssueRefreshToken:  true,
		DailyLimit:         15_000,
		DuplicateRule:      "off",
		DuplicateMatch:     matchEmail,
		AllowedScopes:      "api refresh_token offline_access id openid profile email address phone web full",
		AppInstalled:       true,
	}
}

// check refuses settings that make no sense, and makes the schema that follows from them.
func (v *settings) check() error {
	switch v.DuplicateRule {
	case "off", "alert", "block":
	default:
		return fmt.Errorf("duplicate_rule must be off, alert or block, not %q", v.DuplicateRule)
	}
	if v.DuplicateMatch != matchEmail && v.DuplicateMatch != matchName {
		return fmt.Errorf("duplicate_match must be email or name, not %q", v.DuplicateMatch)
	}
	if v.LatencyMS < 0 || v.TokenLatencyMS < 0 || v.RefreshIdleSeconds < 0 || v.DailyLimit < 0 || v.OtherCalls < 0 {
		return errors.New("times and limits must not be negative")
	}
	if v.AccessTokenSeconds < 1 || v.CodeSeconds < 1 || v.MaxApprovals < 1 {
		return errors.New("access_token_seconds, code_seconds and max_approvals must be at least 1")
	}
	if f := v.ExternalIDField; f != "" && !customName.MatchString(f) {
		return fmt.Errorf("external_id_field must be a custom field's name such as Gatepost_Id__c, not %q", f)
	}
	s, err := v.newSchema()
	if err != nil {
		return err
	}
	if f := s.object("Contact").field(v.RequiredField); f != nil && f.Access == writable {
		must(f)
	} else if v.RequiredField != "" {
		return fmt.Errorf("required_field must be a field of Contacts that can be filled in, not %q", v.RequiredField)
	}
	v.schema = s
	return nil
}

func (v *settings) latency(kind string) time.Duration {
	switch kind {
	case "token":
		return time.Duration(v.TokenLatencyMS) * time.Millisecond
	case "authorize", "other":
		return 0
	}
	return time.Duration(v.LatencyMS) * time.Millisecond
}

func (v *settings) allows(scope string) bool {
	for _, s := range strings.Fields(v.AllowedScopes) {
		if s == scope {
			return true
		}
	}
	return false
}

func (s *Server) set(org string) *settings { return s.setup.Of(org) }

func (s *Server) schema(org string) *schema { return s.set(org).schema }
