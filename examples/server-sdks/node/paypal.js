// PayPal's server SDK with a shared token: node paypal.js
//
// `expiry` is a moment, and so is `expires_in_seconds` of the documented call. The SDK asks the provider again when
// that moment has passed. A provider that throws breaks the client for good: after a failure it gives a token that has
// expired.

import { Client, Environment, PaymentsController } from "@paypal/paypal-server-sdk";

import { serverToken, shared } from "./server_token.js";

const credentials = { client_id: "sandbox-client", client_secret: "sandbox-secret" };

async function oAuthTokenProvider() {
  try {
    const { access_token, token_type, expires_in_seconds } = await serverToken("paypal", credentials);
    return { accessToken: access_token, tokenType: token_type, expiry: BigInt(expires_in_seconds) };
  } catch (error) {
    console.error(`no token: ${error.message}`);
    return { accessToken: "none", tokenType: "Bearer", expiry: 0n };
  }
}

const client = new Client({
  environment: Environment.Sandbox,
  clientCredentialsAuthCredentials: {
    // With a provider the SDK sends neither.
    oAuthClientId: credentials.client_id,
    oAuthClientSecret: credentials.client_secret,
    ...(shared && { oAuthTokenProvider }),
  },
});
const payments = new PaymentsController(client);
const refunds = await Promise.all(
  Array.from({ length: 10 }, (_, nth) => payments.refundCapturedPayment({ captureId: `CAPTURE${nth}` })),
);
console.log(refunds.map(({ statusCode }) => statusCode).join(" "));
