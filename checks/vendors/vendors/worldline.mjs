import connect from "connect-sdk-nodejs";
import { V1HMACAuthenticator } from "connect-sdk-nodejs/lib/utils/authentication.js";

export const sdk = "connect-sdk-nodejs";
export const credentials = { api_key: "0a1b2c3d4e5f6071", api_secret: "madeUpWorldlineSecretKey+0001=", merchant_account_id: "1234" };
export const decoration = ["x-gcs-servermetainfo"];
export const differs = {
  "header authorization": "the SDK signs its x-gcs-servermetainfo too; its own function signs our headers below",
};

const session = (host, [ours], body) =>
  connect
    .init({ host, apiKeyId: credentials.api_key, secretApiKey: credentials.api_secret, integrator: "vendor check" })
    .v1.sessions.create(credentials.merchant_account_id, body, { idempotence: { key: ours.headers["x-gcs-idempotence-key"] } });

/** The moment that we signed. */
const at = ([{ headers }]) => Date.parse(headers.date);

/** What the SDK signs of our request. */
async function verify([{ method, url, headers }]) {
  const signed = Object.entries(headers).map(([key, value]) => ({ key, value }));
  const { pathname } = new URL(url);
  const expected = await new V1HMACAuthenticator(credentials.api_key, credentials.api_secret).getAuthorization(
    method, headers["content-type"], headers.date, signed, pathname,
  );
  return headers.authorization === expected ? [] : [`the SDK would sign ${expected}, we ${headers.authorization}`];
}

const filters = { restrictTo: { groups: ["cards"], products: [1] } };

export const cases = {
  client_session: {
    at,
    verify,
    theirs: (ours) => session("api.preprod.connect.worldline-solutions.com", ours, {}),
  },
  "client_session live": {
    mode: "live",
    input: { tokens: ["stored-1"], payment_product_filters: filters },
    at,
    verify,
    theirs: (ours) =>
      session("api.connect.worldline-solutions.com", ours, { tokens: ["stored-1"], paymentProductFilters: filters }),
  },
};

const REQUEST = "import('connect-sdk-nodejs/lib/v1/model/domain').SessionRequest";
export const types = { "POST /v1/1234/sessions": REQUEST, "POST /v1/12%2F34/sessions": REQUEST };
