// Uses types that were generated from Gatepost's description of its API.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[]; exitCode: number };

const [, , baseUrl, key, tenant] = process.argv;
const gatepost = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });

function check(ok: boolean, what: string, got: unknown): asserts ok {
  if (!ok) throw new Error(`${what}: ${JSON.stringify(got)}`);
}

async function identities() {
  const { data, error } = await gatepost.GET("/identities", { params: { query: { tenant, no_user: true, limit: 10 } } });
  check(data?.identities.length === 1 && data.identities[0].state === "ok", "listIdentities", error ?? data);
  const id: string = data.identities[0].id;
  const one = await gatepost.GET("/identities/{id}", { params: { path: { id } } });
  check(one.data?.tenant === tenant, "getIdentity", one.error);
}

async function token() {
  const { data, error } = await gatepost.POST("/token", { body: { service: "sfdc", tenant, user: null, account: null } });
  check(data !== undefined && data.accessToken !== "" && data.native.access_token === data.accessToken, "findToken", error);
  const generation: number = data.generation;
  check(Number.isSafeInteger(generation), "generation", generation);
}

async function authorization() {
  const { data, error } = await gatepost.POST("/authorizations", { body: { service: "sfdc", tenant, user: "joe", return_to: "https://app.example/done" } });
  check(data?.state === "begun" && data.url.startsWith("http"), "beginAuthorization", error);
  const got = await gatepost.GET("/authorizations/{id}", { params: { path: { id: data.id } } });
  check(got.data?.expires_at === data.expires_at, "getAuthorization", got.error);
}

async function refused() {
  const { error, response } = await gatepost.POST("/token", { body: { tenant, user: "nobody" } });
  check(response.status === 404 && error?.code === "not_found", "findToken of nobody", error);
  const code: components["schemas"]["Code"] = error.code;
  // @ts-expect-error There is no such code.
  check(code !== "no_such_code", "code", code);
  // @ts-expect-error A user is text.
  const wrong = await gatepost.POST("/token", { body: { tenant, user: 7 } });
  check(wrong.response.status === 422, "a number", wrong.response.status);
}

try {
  for (const step of [identities, token, authorization, refused]) await step();
  console.log("ok");
} catch (e) {
  console.log(String(e));
  process.exitCode = 1;
}
