package mocksalesforce

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// settings are what tests may switch, and people on the panel. They are kept in the file.
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
	OtherCalls          int    `json:"other_calls"` // API calls that others of the org's own have made today
	DuplicateRule       string `json:"duplicate_rule"`
	DuplicateMatch      string `json:"duplicate_match"` // what makes two Contacts the same: email, or name
	ValidationRule      bool   `json:"validation_rule"` // refuses a last name with a digit in it
	RequiredField       string `json:"required_field"`  // of Contacts, beside the last name
	ExternalIDField     string `json:"external_id_field"`
	AllowedScopes       string `json:"allowed_scopes"`
	AppInstalled        bool   `json:"app_installed"`
	RememberApproval    bool   `json:"remember_approval"`
	InstanceURLOverride string `json:"instance_url"` // what token responses say instead of the own address
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
	if f := newSchema(v.ExternalIDField, "").object("Contact").field(v.RequiredField); v.RequiredField != "" && (f == nil || f.Access != writable) {
		return fmt.Errorf("required_field must be a field of Contacts that can be filled in, not %q", v.RequiredField)
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

// setup is how the orgs are set up: all alike, but for those that are set up on their
// own. It is never changed, but replaced.
type setup struct {
	all   *conf
	own   map[string]*conf // by the org's id
	apart map[string]bool  // orgs that are spoken of only when they are named
}

// conf is the settings of some orgs, with what follows from them.
type conf struct {
	settings
	schema *schema
}

func newConf(v settings) *conf {
	return &conf{v, newSchema(v.ExternalIDField, v.RequiredField)}
}

// of is how an org is set up; "" stands for one that isn't known yet.
func (u *setup) of(org string) *conf {
	if c := u.own[org]; c != nil {
		return c
	}
	return u.all
}

// with is u with an org set up on its own; without v, it is as all are again.
func (u *setup) with(org string, v *settings) *setup {
	next := &setup{all: u.all, own: maps.Clone(u.own), apart: u.apart}
	delete(next.own, org)
	if v != nil {
		next.own[org] = newConf(*v)
	}
	return next
}

func (s *Server) set(org string) *settings { return &s.setup.Load().of(org).settings }

func (s *Server) schema(org string) *schema { return s.setup.Load().of(org).schema }

// settingsOf is the name under which the settings of an org are kept; those of all that
// have none of their own, for "".
func settingsOf(org string) string {
	if org == "" {
		return "settings"
	}
	return "settings:" + org
}

// loadSetup reads how the orgs are set up.
func (s *Server) loadSetup(ctx context.Context) error {
	orgs, err := s.orgs(ctx)
	if err != nil {
		return err
	}
	u := &setup{own: map[string]*conf{}, apart: map[string]bool{}}
	all, _, err := s.kept(ctx, "")
	if err != nil {
		return err
	}
	u.all = newConf(all)
	for _, o := range orgs {
		v, has, err := s.kept(ctx, o.ID)
		if err != nil {
			return err
		}
		if has || o.Apart {
			u.own[o.ID] = newConf(v)
		}
		u.apart[o.ID] = o.Apart
	}
	s.setup.Store(u)
	return nil
}

// kept returns the settings that are kept for an org, or those that hold otherwise.
func (s *Server) kept(ctx context.Context, org string) (v settings, has bool, err error) {
	v = defaultSettings()
	var text string
	err = s.write.QueryRowContext(ctx, `SELECT value FROM kv WHERE name = $1`, settingsOf(org)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return v, false, fmt.Errorf("settings: %w", err)
	}
	return v, true, nil
}

// saveSettings keeps v and begins to use it: for one org, or for all that are not apart.
func (s *Server) saveSettings(ctx context.Context, org string, v settings) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	next := s.setup.Load().with(org, &v)
	if org == "" {
		next.all = newConf(v)
		maps.DeleteFunc(next.own, func(org string, _ *conf) bool { return !next.apart[org] })
	}
	err = s.tx(ctx, func(q querier) error {
		if org == "" {
			if _, err := q.ExecContext(ctx, `DELETE FROM kv WHERE name IN (SELECT 'settings:' || id FROM orgs WHERE apart = 0)`); err != nil {
				return err
			}
		}
		_, err := q.ExecContext(ctx, `INSERT INTO kv (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, settingsOf(org), string(text))
		return err
	})
	if err == nil {
		s.setup.Store(next)
	}
	return err
}
