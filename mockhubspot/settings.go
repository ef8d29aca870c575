package mockhubspot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatepost/simulated"
)

// settings are what tests may switch. They are kept in the file.
type settings struct {
	LatencyMS      int `json:"latency_ms"`
	TokenLatencyMS int `json:"token_latency_ms"`

	AccessTokenSeconds  int    `json:"access_token_seconds"`
	CodeSeconds         int    `json:"code_seconds"`          // nobody says how long a code lives
	RequirePKCE         bool   `json:"require_pkce"`          // the real one leaves it to the app
	RotateRefreshToken  bool   `json:"rotate_refresh_token"`  // a refresh answers a new one; the old one stays good
	SharedRefreshToken  bool   `json:"shared_refresh_token"`  // who connects the same account again gets the same one
	LingerAccessTokens  bool   `json:"linger_access_tokens"`  // they outlive an uninstall
	RevokeUnknownStatus int    `json:"revoke_unknown_status"` // what revoking an unknown token answers
	OAuthV1             bool   `json:"oauth_v1"`              // the first token end point is still there
	AppScopes           string `json:"app_scopes"`            // ticked in the app
	AccountScopes       string `json:"account_scopes"`        // that the account can grant
	MayInstall          bool   `json:"may_install"`           // whoever logs in may install apps
	AccountDeleted      bool   `json:"account_deleted"`

	AccountType      string `json:"account_type"`       // "" is what the account was made as
	Hublet           string `json:"hublet"`             // "" is the account's own
	UIDomain         string `json:"ui_domain"`          // "" is this server, so that links lead somewhere
	AccountInfoScope string `json:"account_info_scope"` // what account-info needs beside oauth

	RateLimit       int    `json:"rate_limit"` // calls in a window; 0 is no limit
	RateWindowMS    int    `json:"rate_window_ms"`
	RateLimitStatus int    `json:"rate_limit_status"` // one client met 500
	RateLimitBody   string `json:"rate_limit_body"`   // errorType, or the newer category
	RateRetryAfter  bool   `json:"rate_retry_after"`
	DailyLimit      int    `json:"daily_limit"` // 0 is none, as for apps with OAuth
	SearchLimit     int    `json:"search_limit"`
	SearchLagMS     int    `json:"search_lag_ms"`

	ConflictIDs        bool   `json:"conflict_ids"`         // a conflict tells the existing id
	UpsertStatus       string `json:"upsert_status"`        // of a partial one: version, 207 or 200
	UpsertConflictAll  bool   `json:"upsert_conflict_all"`  // one conflict refuses the whole upsert
	SingleTracePartial bool   `json:"single_trace_partial"` // a batch of one with a trace id answers 207
	ReadRepeats        bool   `json:"read_repeats"`         // a contact that two inputs mean is told twice
	ReadDuplicates     bool   `json:"read_duplicates"`      // batch/read lets equal inputs pass
	MergeKeepsPrimary  bool   `json:"merge_keeps_primary"`  // instead of making a new id
	BlockErased        bool   `json:"block_erased"`         // an erased address can't be created again

	EmailMaxLength  int               `json:"email_max_length"`
	EmailRefused    string            `json:"email_refused"` // characters that the check of addresses refuses as well
	Rules           []rule            `json:"validation_rules"`
	RuleErrorCode   string            `json:"rule_error_code"` // of a violation
	Fields          []simulated.Field `json:"fields"`          // properties that differ from those that every account has
	PrivacySettings bool              `json:"privacy_settings"`
}

// rule is a validation rule of a property that the account defined.
type rule struct {
	Property  string   `json:"property"`
	Type      string   `json:"type"`
	Arguments []string `json:"arguments"`
}

// allScopes are those that the simulated app has ticked at first.
const allScopes = "oauth crm.objects.contacts.read crm.objects.contacts.write crm.schemas.contacts.read crm.schemas.contacts.write " +
	"communication_preferences.read communication_preferences.read_write communication_preferences.write crm.objects.owners.read"

func defaultSettings() settings {
	return settings{
		AccessTokenSeconds:  1800,
		CodeSeconds:         600,
		RevokeUnknownStatus: 200,
		OAuthV1:             true,
		AppScopes:           allScopes,
		AccountScopes:       allScopes,
		MayInstall:          true,
		RateLimit:           110,
		RateWindowMS:        10_000,
		RateLimitStatus:     429,
		RateLimitBody:       "errorType",
		SearchLimit:         5,
		SearchLagMS:         5_000,
		ConflictIDs:         true,
		UpsertStatus:        "version",
		SingleTracePartial:  true,
		BlockErased:         true,
		EmailMaxLength:      254,
		RuleErrorCode:       "VALIDATION_RULE_VIOLATION",
	}
}

// check refuses settings that make no sense.
func (v *settings) check() error {
	switch {
	case min(v.LatencyMS, v.TokenLatencyMS, v.RateLimit, v.DailyLimit, v.SearchLimit, v.SearchLagMS) < 0:
		return errors.New("times and limits must not be negative")
	case min(v.AccessTokenSeconds, v.CodeSeconds, v.RateWindowMS, v.EmailMaxLength) < 1:
		return errors.New("access_token_seconds, code_seconds, rate_window_ms and email_max_length must be at least 1")
	case !slices.Contains([]string{"", "STANDARD", "SANDBOX", "DEVELOPER_TEST", "APP_DEVELOPER"}, v.AccountType):
		return fmt.Errorf("account_type must be STANDARD, SANDBOX, DEVELOPER_TEST or APP_DEVELOPER, not %q", v.AccountType)
	case v.RateLimitBody != "errorType" && v.RateLimitBody != "category":
		return fmt.Errorf("rate_limit_body must be errorType or category, not %q", v.RateLimitBody)
	case !slices.Contains([]string{"version", "207", "200"}, v.UpsertStatus):
		return fmt.Errorf("upsert_status must be version, 207 or 200, not %q", v.UpsertStatus)
	case v.RateLimitStatus < 400 || v.RateLimitStatus > 599 || v.RevokeUnknownStatus < 200 || v.RevokeUnknownStatus > 599:
		return errors.New("rate_limit_status and revoke_unknown_status must be statuses of HTTP")
	}
	for _, r := range v.Rules {
		if err := r.check(); err != nil {
			return err
		}
	}
	for _, f := range v.Fields {
		if err := checkField(f); err != nil {
			return err
		}
	}
	return nil
}

func (v *settings) latency(kind string) time.Duration {
	switch kind {
	case "token":
		return time.Duration(v.TokenLatencyMS) * time.Millisecond
	case "authorize", otherKind:
		return 0
	}
	return time.Duration(v.LatencyMS) * time.Millisecond
}

// lacks returns the first of some scopes that is not in a list, "" when none is missing.
func lacks(list, scopes string) string {
	has := strings.Fields(list)
	for _, want := range strings.Fields(scopes) {
		if !slices.Contains(has, want) {
			return want
		}
	}
	return ""
}

func (s *Server) set(account string) *settings { return s.setup.Of(account) }
