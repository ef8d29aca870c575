// Command client uses a client that was generated from Gatepost's description of its API.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"client/gatepost"

	"github.com/oapi-codegen/nullable"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

func run(ctx context.Context, url, key, tenant string) error {
	c, err := gatepost.NewClientWithResponses(url, gatepost.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}))
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, *gatepost.ClientWithResponses, string) error{identities, token, authorization, refused} {
		if err := step(ctx, c, tenant); err != nil {
			return err
		}
	}
	return nil
}

func identities(ctx context.Context, c *gatepost.ClientWithResponses, tenant string) error {
	own, limit := gatepost.ListIdentitiesParamsNoUser(true), int32(10)
	got, err := c.ListIdentitiesWithResponse(ctx, &gatepost.ListIdentitiesParams{Tenant: &tenant, NoUser: &own, Limit: &limit})
	if err != nil {
		return err
	}
	if got.JSON200 == nil || len(got.JSON200.Identities) != 1 || got.JSON200.Identities[0].State != gatepost.Ok || got.JSON200.Identities[0].ConnectedAt.IsZero() {
		return fmt.Errorf("listIdentities: %s: %s", got.Status(), got.Body)
	}
	one, err := c.GetIdentityWithResponse(ctx, got.JSON200.Identities[0].Id)
	if err != nil || one.JSON200 == nil || one.JSON200.Tenant != tenant {
		return fmt.Errorf("getIdentity: %v, %s", err, one.Body)
	}
	return nil
}

func token(ctx context.Context, c *gatepost.ClientWithResponses, tenant string) error {
	service := "sfdc"
	none := nullable.NewNullNullable[string]()
	got, err := c.FindTokenWithResponse(ctx, gatepost.Selector{Service: &service, Tenant: &tenant, User: none, Account: none})
	if err != nil {
		return err
	}
	if got.JSON200 == nil || got.JSON200.AccessToken == "" || got.JSON200.Native["access_token"] != got.JSON200.AccessToken || got.JSON200.Generation < 1<<40 {
		return fmt.Errorf("findToken: %s: %s", got.Status(), got.Body)
	}
	return nil
}

func authorization(ctx context.Context, c *gatepost.ClientWithResponses, tenant string) error {
	service, user := "sfdc", "eve"
	begun, err := c.BeginAuthorizationWithResponse(ctx, gatepost.AuthorizationRequest{Service: &service, Tenant: &tenant, User: &user, ReturnTo: "https://app.example/done"})
	if err != nil {
		return err
	}
	if begun.JSON201 == nil || begun.JSON201.Url == "" || begun.JSON201.State != gatepost.AuthorizationStateBegun {
		return fmt.Errorf("beginAuthorization: %s: %s", begun.Status(), begun.Body)
	}
	got, err := c.GetAuthorizationWithResponse(ctx, begun.JSON201.Id)
	if err != nil || got.JSON200 == nil || *got.JSON200.ExpiresAt != begun.JSON201.ExpiresAt {
		return fmt.Errorf("getAuthorization: %v, %s", err, got.Body)
	}
	return nil
}

func refused(ctx context.Context, c *gatepost.ClientWithResponses, tenant string) error {
	got, err := c.FindTokenWithResponse(ctx, gatepost.Selector{Tenant: &tenant, User: nullable.NewNullableWithValue("nobody")})
	if err != nil {
		return err
	}
	if p := got.ApplicationproblemJSON404; p == nil || p.Code != gatepost.CodeNotFound || p.Detail == "" {
		return fmt.Errorf("findToken of nobody: %s: %s", got.Status(), got.Body)
	}
	tenants, err := c.ListTenantsWithResponse(ctx, nil)
	if err != nil {
		return err
	}
	if p := tenants.ApplicationproblemJSON403; p == nil || p.Code != gatepost.CodeForbidden {
		return fmt.Errorf("listTenants: %s: %s", tenants.Status(), tenants.Body)
	}
	return nil
}
