import { Configuration, PlaidApi, PlaidEnvironments } from "plaid";

export const sdk = "plaid";
export const credentials = { client_id: "madeUpPlaidClient00000001", secret: "madeUpPlaidSecret000000001" };

const plaid = (environment) =>
  new PlaidApi(
    new Configuration({
      basePath: PlaidEnvironments[environment],
      baseOptions: { headers: { "PLAID-CLIENT-ID": credentials.client_id, "PLAID-SECRET": credentials.secret } },
    }),
  );
const shop = { client_name: "Shop", language: "en", country_codes: ["US", "GB"], products: ["auth"] };

export const cases = {
  link_token: {
    reference: "token_001",
    input: shop,
    theirs: () => plaid("sandbox").linkTokenCreate({ ...shop, user: { client_user_id: "token_001" } }),
  },
  "link_token live": {
    mode: "live",
    input: { ...shop, user: { client_user_id: "user-1", email_address: "user@shop.example" }, webhook: "https://shop.example/hook" },
    theirs: () =>
      plaid("production").linkTokenCreate({
        ...shop, user: { client_user_id: "user-1", email_address: "user@shop.example" }, webhook: "https://shop.example/hook",
      }),
  },
  session_token: {
    reference: "token_002",
    input: { template_id: "template_made_up", redirect_uri: "https://shop.example/back", webhook: "https://shop.example/hook" },
    theirs: () =>
      plaid("sandbox").sessionTokenCreate({
        template_id: "template_made_up", user: { client_user_id: "token_002" }, redirect_uri: "https://shop.example/back",
        webhook: "https://shop.example/hook",
      }),
  },
  oauth_client_credentials: {
    audience: "server",
    scopes: ["user:read", "user:write"],
    input: { resource: "made-up" },
    differs: {
      "header plaid-client-id": "the SDK's client sends its headers with every call; the documented body holds the credentials",
      "header plaid-secret": "as before",
      "header plaid-version": "as before",
    },
    theirs: () =>
      plaid("sandbox").oauthToken({
        grant_type: "client_credentials", client_id: credentials.client_id, client_secret: credentials.secret,
        scope: "user:read user:write", resource: "made-up",
      }),
  },
};

export const types = {
  "POST /link/token/create": "OnTheWire<import('plaid').LinkTokenCreateRequest>",
  "POST /session/token/create": "OnTheWire<import('plaid').SessionTokenCreateRequest>",
  "POST /oauth/token": "OnTheWire<import('plaid').OAuthTokenRequest>",
};
