// Square's SDK with a shared token: node square.js
//
// The SDK makes no token request. It asks the function before every call, so it always has the current token.

import { SquareClient, SquareEnvironment, SquareError } from "square";

import { serverToken } from "./server_token.js";

const credentials = {
  application_id: "sandbox-sq0idb-sandbox",
  application_secret: "sandbox-sq0csb-sandbox",
  refresh_token: "EQAAsandbox",
};

let fresh = false;
const token = async () => (await serverToken("square", credentials, { grant: "oauth_refresh", fresh })).access_token;
const client = new SquareClient({ environment: SquareEnvironment.Sandbox, token, maxRetries: 0 });

/** Repeats a call once with a new token where Square no longer takes the one that it got. */
async function renewed(call) {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof SquareError) || error.statusCode !== 401) throw error;
    fresh = true;
    return await call().finally(() => (fresh = false));
  }
}

const payments = await Promise.all(
  Array.from({ length: 10 }, () => {
    const payment = { idempotencyKey: crypto.randomUUID(), sourceId: "cnon:card-nonce-ok" };
    return renewed(() => client.payments.create(payment));
  }),
);
console.log(payments.map(({ payment }) => payment.status).join(" "));
