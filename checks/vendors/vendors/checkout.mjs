import Checkout from "checkout-sdk-node";

export const sdk = "checkout-sdk-node";
export const credentials = {
  api_key: "pk_sbox_madeUpCheckoutPublic0001",
  api_secret: "sk_sbox_madeUpCheckoutSecret0001",
  processing_channel_id: "pc_madeup0channel0id0000001",
};

const sandbox = { subdomain: "abc12345", environment: "sandbox" };
const checkout = new Checkout(credentials.api_secret, sandbox);
const oauth = { client_id: "ack_madeup0001", client_secret: "madeUpCheckoutOauth:Secret" };

export const cases = {
  payment_session: {
    reference: "token_001",
    input: { billing: { address: { country: "GB" } }, currency: "gbp", url_prefix: "abc12345" },
    varies: { "json /expires_on": ["\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z", "the end of an hour from now"] },
    differs: { "header authorization": "the SDK sends the key alone; the vendor's reference puts Bearer before it" },
    theirs: () =>
      checkout.paymentSessions.request({
        amount: 0, currency: "GBP", billing: { address: { country: "GB" } }, reference: "token_001",
        processing_channel_id: credentials.processing_channel_id, expires_on: new Date(Date.now() + 3_600_000).toISOString(),
      }),
  },
  oauth_client_credentials: {
    audience: "server",
    input: { ...oauth, url_prefix: "abc12345" },
    scopes: ["payment-sessions", "vault:tokenization"],
    answers: { "POST /connect/token": { access_token: "eyJhbG.madeUp.server", expires_in: 3600, token_type: "Bearer", scope: "payment-sessions" } },
    // The SDK logs in to make a session.
    pairs: [[0, 0]],
    differs: {
      "header authorization": "the vendor takes the credentials as Basic, or as form fields as the SDK sends them",
      "form client_id": "as before",
      "form client_secret": "as before",
    },
    theirs: () =>
      new Checkout(oauth.client_secret, { ...sandbox, client: oauth.client_id, scope: ["payment-sessions", "vault:tokenization"] })
        .paymentSessions.request({ amount: 0, currency: "GBP", billing: { address: { country: "GB" } } }),
  },
};
