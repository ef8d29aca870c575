package mocksalesforce

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"

	"gatepost/simulated"
)

// forbidden answers as the identity end points do: plain text.
func forbidden(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, code)
}

// known finds the bearer of a request, or answers 403.
func (s *Server) known(w http.ResponseWriter, r *http.Request) (session, bool) {
	token := bearer(r)
	if token == "" {
		forbidden(w, "Missing_OAuth_Token")
		return session{}, false
	}
	who, err := s.session(r.Context(), token)
	if errors.Is(err, sql.ErrNoRows) {
		forbidden(w, "Bad_OAuth_Token")
		return who, false
	}
	if err != nil {
		s.core.Log.Error("identity", "error", err)
		simulated.HTML(w, http.StatusInternalServerError, "Internal Server Error")
		return who, false
	}
	return who, true
}

// identity handles the identity URL.
func (s *Server) identity(w http.ResponseWriter, r *http.Request) {
	who, ok := s.known(w, r)
	if !ok {
		return
	}
	orgID, okOrg := canonicalID(r.PathValue("org"))
	userID, okUser := canonicalID(r.PathValue("user"))
	if !okOrg || orgID != who.user.OrgID {
		forbidden(w, "Wrong_Org")
		return
	}
	if !okUser || userID != who.user.ID {
		forbidden(w, "Bad_Id")
		return
	}
	simulated.JSON(w, http.StatusOK, s.identityOf(r, who.user))
}

func (s *Server) identityOf(r *http.Request, u user) map[string]any {
	base := s.core.Base(r)
	return map[string]any{
		"id": base + "/id/" + u.OrgID + "/" + u.ID, "asserted_user": true, "user_id": u.ID, "organization_id": u.OrgID,
		"username": u.Username, "nick_name": u.First, "display_name": u.Name(), "email": u.Email, "email_verified": true,
		"first_name": u.First, "last_name": u.Last, "timezone": "America/Los_Angeles",
		"photos":      map[string]any{"picture": base + "/profilephoto/005/F", "thumbnail": base + "/profilephoto/005/T"},
		"addr_street": nil, "addr_city": nil, "addr_state": nil, "addr_country": nil, "addr_zip": nil,
		"is_app_installed": s.set(u.OrgID).AppInstalled, "mobile_phone": nil, "mobile_phone_verified": false,
		"status": map[string]any{"created_date": nil, "body": nil}, "urls": apiURLs(base, u),
		"active": u.Active, "user_type": "STANDARD", "language": "en_US", "locale": "en_US",
		"utcOffset": -28800000, "last_modified_date": "2026-01-02T03:04:05.000+0000",
	}
}

// apiURLs are templates: {version} is for the client to fill in.
func apiURLs(base string, u user) map[string]string {
	data := base + dataRoot + "/v{version}/"
	return map[string]string{
		"enterprise": base + "/services/Soap/c/{version}/" + u.OrgID, "partner": base + "/services/Soap/u/{version}/" + u.OrgID,
		"metadata": base + "/services/Soap/m/{version}/" + u.OrgID, "rest": data, "sobjects": data + "sobjects/",
		"search": data + "search/", "query": data + "query/", "recent": data + "recent/", "tooling_rest": data + "tooling/",
		"profile": base + "/" + u.ID, "custom_domain": base,
	}
}

// userinfo handles /services/oauth2/userinfo.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		simulated.MethodNotAllowed(w, "GET, POST")
		return
	}
	who, ok := s.known(w, r)
	if !ok {
		return
	}
	base, u := s.core.Base(r), who.user
	simulated.JSON(w, http.StatusOK, map[string]any{
		"sub": base + "/id/" + u.OrgID + "/" + u.ID, "user_id": u.ID, "organization_id": u.OrgID,
		"preferred_username": u.Username, "nickname": u.First, "name": u.Name(), "email": u.Email, "email_verified": true,
		"given_name": u.First, "family_name": u.Last, "zoneinfo": "America/Los_Angeles",
		"photos":  map[string]any{"picture": base + "/profilephoto/005/F", "thumbnail": base + "/profilephoto/005/T"},
		"profile": base + "/" + u.ID, "picture": base + "/profilephoto/005/F", "address": map[string]any{},
		"urls": apiURLs(base, u), "active": u.Active, "user_type": "STANDARD", "language": "en_US", "locale": "en_US",
		"utcOffset": -28800000, "updated_at": "2026-01-02T03:04:05Z",
	})
}

// discovery handles /.well-known/openid-configuration.
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	base := s.core.Base(r)
	simulated.JSON(w, http.StatusOK, map[string]any{
		"issuer":                                base,
		"authorization_endpoint":                base + "/services/oauth2/authorize",
		"token_endpoint":                        base + "/services/oauth2/token",
		"revocation_endpoint":                   base + "/services/oauth2/revoke",
		"userinfo_endpoint":                     base + "/services/oauth2/userinfo",
		"introspection_endpoint":                base + "/services/oauth2/introspect",
		"scopes_supported":                      []string{"api", "refresh_token", "offline_access", "id", "openid", "profile", "email", "address", "phone", "web", "full"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"code_challenge_methods_supported":      []string{"S256"},
		"display_values_supported":              []string{"page", "popup", "touch"},
	})
}
