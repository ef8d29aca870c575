package mocksalesforce

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// settings are what tests may switch. They are kept in the file.
type settings struct {
	Rotation            bool   `json:"rotation"`
	RequirePKCE         bool   `json:"require_pkce"`
	LatencyMS           int    `json:"latency_ms"`
	TokenLatencyMS      int    `json:"token_latency_ms"`
	AccessTokenSeconds  int    `json:"access_token_seconds"`
	RefreshIdleSeconds  int    `json:"refresh_idle_seconds"` // 0: a refresh token never idles out
	CodeSeconds         int    `json:"code_seconds"`
	MaxApprovals        int    `json:"max_approvals"`
	IssueRefreshToken   bool   `json:"issue_refresh_token"`
	DailyLimit          int    `json:"daily_limit"`
	DuplicateRule       string `json:"duplicate_rule"`
	ExternalIDField     string `json:"external_id_field"`
	AllowedScopes       string `json:"allowed_scopes"`
	AppInstalled        bool   `json:"app_installed"`
	RememberApproval    bool   `json:"remember_approval"`
	InstanceURLOverride string `json:"instance_url"` // what token responses say instead of the own address
}

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
		AllowedScopes:      "api refresh_token offline_access id openid profile email address phone web full",
		AppInstalled:       true,
	}
}

func (v *settings) check() error {
	switch v.DuplicateRule {
	case "off", "alert", "block":
	default:
		return fmt.Errorf("duplicate_rule must be off, alert or block, not %q", v.DuplicateRule)
	}
	if v.LatencyMS < 0 || v.TokenLatencyMS < 0 || v.RefreshIdleSeconds < 0 || v.DailyLimit < 0 {
		return errors.New("times and limits must not be negative")
	}
	if v.AccessTokenSeconds < 1 || v.CodeSeconds < 1 || v.MaxApprovals < 1 {
		return errors.New("access_token_seconds, code_seconds and max_approvals must be at least 1")
	}
	if f := v.ExternalIDField; f != "" && !customName.MatchString(f) {
		return fmt.Errorf("external_id_field must be a custom field's name such as Gatepost_Id__c, not %q", f)
	}
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

func (s *Server) loadSettings(ctx context.Context) error {
	v := defaultSettings()
	var text string
	err := s.write.QueryRowContext(ctx, `SELECT value FROM kv WHERE name = 'settings'`).Scan(&text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return fmt.Errorf("settings: %w", err)
		}
	}
	s.use(v)
	return nil
}

func (s *Server) use(v settings) {
	s.settings.Store(&v)
	s.schema.Store(newSchema(v.ExternalIDField))
}

// saveSettings keeps v and begins to use it.
func (s *Server) saveSettings(ctx context.Context, v settings) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := s.write.ExecContext(ctx, `INSERT INTO kv (name, value) VALUES ('settings', $1)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, string(text)); err != nil {
		return err
	}
	s.use(v)
	return nil
}
