// Checkout.com's SDK with a shared token: node checkout.js
//
// The SDK takes a key of the form 'Bearer …' as it is. It keeps it for the life of the client, so a client is made
// for each token. The subdomain is the account's own.

import Checkout from "checkout-sdk-node";

import { serverToken, shared } from "./server_token.js";

const credentials = { api_key: "pk_sbox_sandbox", api_secret: "sk_sbox_sandbox" };
const oauth = { client_id: "ack_sandbox", client_secret: "sandbox-secret" };
const scopes = ["gateway"];
const options = { subdomain: "sandbox1", environment: "sandbox" };

async function client() {
  const grant = { grant: "oauth_client_credentials", scopes, url_prefix: options.subdomain, ...oauth };
  const { access_token } = await serverToken("checkout", credentials, grant);
  return new Checkout(`Bearer ${access_token}`, options);
}

const alone = new Checkout(oauth.client_secret, { ...options, client: oauth.client_id, scope: scopes });
const refunds = await Promise.all(
  Array.from({ length: 10 }, async (_, nth) => (shared ? await client() : alone).payments.refund(`pay_${nth}`)),
);
console.log(refunds.map(({ action_id }) => action_id).join(" "));
