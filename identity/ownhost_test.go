package identity

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

const ownAddress = "https://git.contoso.example"

// onOwnHost is a service's habits on a host of a tenant's.
func onOwnHost(h habits) habits {
	moved := strings.NewReplacer("api.github.com", "git.contoso.example/api/v3", "github.com", "git.contoso.example", "gitlab.com", "git.contoso.example")
	for _, address := range []*string{&h.authorize, &h.token, &h.userinfo, &h.revoke, &h.api} {
		*address = moved.Replace(*address)
	}
	h.instance = ownAddress
	return h
}

// eachSelfManaged runs a test with every service that tenants may run, on the
// world's tenant's host. Nothing but that host may be called.
func eachSelfManaged(t *testing.T, test func(*testing.T, *scene)) {
	n := 0
	for _, h := range allHabits {
		w := &world{t: t}
		if d := (&scene{world: w, d: &double{habits: h}}).definition(); !d.SelfManaged {
			continue
		}
		n++
		t.Run(h.id, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, newOAuthHandler(t))
			s := &scene{world: w, d: newDouble(t, w, onOwnHost(h))}
			shared := s.definition()
			shared.ClientID, shared.ClientSecret = "shared", "shared-client-secret"
			w.srv.secrets = append(w.srv.secrets, shared.ClientSecret)
			s.v = s.vault(shared)
			s.v.HTTP = &http.Client{Transport: notThere{t}}
			s.v.client.http = s.v.HTTP
			s.v.client.tenants.Transport = noSecret{t, shared.ClientSecret, s.d}
			s.setHost(ownAddress)
			test(t, s)
		})
	}
	if n < 2 {
		t.Errorf("only %d services", n)
	}
}

func (s *scene) setHost(address string) {
	s.t.Helper()
	err := s.v.SetTenantApp(s.t.Context(), s.d.id, s.tenant, ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret), LoginURL: &address})
	if err != nil {
		s.t.Fatal(err)
	}
}

// notThere is the client for the operator's hosts, whom no call to a tenant's may use:
// it may trust that host's name.
type notThere struct{ t *testing.T }

func (n notThere) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("%s is called as a host of the operator's", r.URL.Host)
	return nil, errors.New("not there")
}

// What the operator chose for the very service is called as theirs, whoever else names it.
func TestTheOperatorsHostIsNoTenants(t *testing.T) {
	s := gitLab
	s.ExtraLogin = "https://git.operator.example"
	for address, tenants := range map[string]bool{s.ExtraLogin: false, "https://git.contoso.example": true} {
		if on := s.on(address); on.tenantsHost() != tenants {
			t.Errorf("%s: %t", address, !tenants)
		}
	}
	if s.tenantsHost() {
		t.Error("the service itself is taken for a tenant's")
	}
}

// noSecret fails the test when a request holds a secret, or leads to a host of
// the service's own.
type noSecret struct {
	t      *testing.T
	secret string
	next   http.RoundTripper
}

func (n noSecret) RoundTrip(r *http.Request) (*http.Response, error) {
	_, password, _ := r.BasicAuth()
	body := ""
	if r.GetBody != nil {
		if b, err := r.GetBody(); err == nil {
			text := make([]byte, 64<<10)
			k, _ := b.Read(text)
			body = string(text[:k])
		}
	}
	if r.URL.Host != "git.contoso.example" || strings.Contains(body+password, n.secret) {
		n.t.Errorf("%s was asked, or told the shared secret", r.URL.Host)
	}
	return n.next.RoundTrip(r)
}

func TestServicesOnATenantsHost(t *testing.T) {
	eachSelfManaged(t, func(t *testing.T, s *scene) {
		i := s.connect()
		if !i.OwnApp || i.LoginURL != ownAddress || i.InstanceURL != ownAddress || i.RemoteUserID != s.d.person || i.OrgName != s.d.name {
			t.Errorf("%+v", i.Grant)
		}
		s.call(i)
		if s.d.lasting {
			s.fresh(i.Generation)
		}
		if ending, err := s.v.End(t.Context(), s.d.id, s.tenant); ending != Revoked || err != nil || s.d.live() != 0 {
			t.Errorf("%s, %v, %d live\n%s", ending, err, s.d.live(), s.log)
		}
	})
}

// Without the app, or when it is for another host, nothing is taken for revoked
// that may be alive; with it back, it is revoked.
func TestRevocationWithoutTheOwnApp(t *testing.T) {
	eachSelfManaged(t, func(t *testing.T, s *scene) {
		s.connect()
		if _, err := s.v.DropTenantApp(t.Context(), s.d.id, s.tenant); err != nil {
			t.Fatal(err)
		}
		if ending, err := s.v.End(t.Context(), s.d.id, s.tenant); ending != Pending || err != nil || s.d.live() != 1 {
			t.Errorf("removed: %s, %v, %d live", ending, err, s.d.live())
		}
		s.setHost("https://other.contoso.example")
		s.revokePending(errNoClient)
		s.setHost("")
		s.revokePending(errNoClient)
		s.setHost(ownAddress)
		s.revokePending(nil)
		if s.d.live() != 0 || s.pending() != 0 {
			t.Errorf("%d live, %d pending", s.d.live(), s.pending())
		}
	})
}

// revokePending does what the job does.
func (s *scene) revokePending(want error) {
	s.t.Helper()
	var id string
	if err := s.store.Writer().QueryRow(`SELECT id FROM revocations`).Scan(&id); err != nil {
		s.t.Fatal(err)
	}
	if err := s.v.Revoke(s.t.Context(), id); !errors.Is(err, want) {
		s.t.Errorf("%v, want %v", err, want)
	}
}
