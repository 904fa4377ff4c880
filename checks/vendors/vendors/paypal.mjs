import { Client, Environment, OAuthAuthorizationController } from "@paypal/paypal-server-sdk";

export const sdk = "@paypal/paypal-server-sdk";
export const credentials = { client_id: "madeUpPaypalClientId0001", client_secret: "madeUpPaypal:Secret0001" };
export const differs = {
  "header paypal-request-id": "a retry with the same key makes no second token; the SDK sends none with a login",
};

const basic = Buffer.from(`${credentials.client_id}:${credentials.client_secret}`).toString("base64");
const requestToken = (environment, more) =>
  new OAuthAuthorizationController(new Client({ environment })).requestToken({ authorization: `Basic ${basic}`, ...more[0] }, more[1]);

export const cases = {
  access_token: {
    audience: "server",
    theirs: () => requestToken(Environment.Sandbox, [{}]),
  },
  "access_token with scopes": {
    audience: "server",
    scopes: ["https://uri.paypal.com/services/invoicing", "openid"],
    theirs: () => requestToken(Environment.Sandbox, [{ scope: "https://uri.paypal.com/services/invoicing openid" }]),
  },
  "access_token live": {
    audience: "server",
    mode: "live",
    theirs: () => requestToken(Environment.Production, [{}]),
  },
  client_token: {
    input: { domains: ["shop.example"] },
    theirs: () => requestToken(Environment.Sandbox, [{}, { response_type: "client_token", "domains[]": "shop.example" }]),
  },
  "client_token of domains": {
    input: { domains: ["shop.example", "shop2.example"], intent: "sdk_init" },
    theirs: () =>
      requestToken(Environment.Sandbox, [{}, { response_type: "client_token", "domains[]": "shop.example,shop2.example", intent: "sdk_init" }]),
  },
  "id_token of a customer": {
    input: { customer_id: "customer-1" },
    theirs: () => requestToken(Environment.Sandbox, [{}, { response_type: "id_token", target_customer_id: "customer-1" }]),
  },
};
