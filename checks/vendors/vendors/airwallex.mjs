import { Airwallex } from "@airwallex/node-sdk";

export const sdk = "@airwallex/node-sdk";
export const credentials = { api_key: "madeUpAirwallexKey0001", client_id: "madeUpAirwallexClient0001" };
export const differs = {
  "header x-api-version": "optional: without it the version of the account applies",
  "query _t": "the SDK's guard against caches",
};
export const answers = {
  "POST /api/v1/authentication/login": { token: "eyJhbGciOi.LOGIN.BBB", expires_at: "2099-01-01T00:00:00+0000" },
};

const client = (env, more) =>
  new Airwallex({ clientId: credentials.client_id, apiKey: credentials.api_key, env, enableTelemetry: false, ...more });

export const cases = {
  access_token: {
    audience: "server",
    theirs: () => client("demo").login(),
  },
  "access_token live as an account": {
    audience: "server",
    mode: "live",
    input: { login_as: "acct_0001" },
    theirs: () => client("prod", { accountId: "acct_0001" }).login(),
  },
  customer_client_secret: {
    input: { customer_id: "cus_0001" },
    theirs: () => client("demo").paymentAcceptance.customers.generateCustomerClientSecret("cus_0001"),
  },
  payment_intent_client_secret: {
    reference: "token_001",
    input: { amount: "10.50", currency: "eur" },
    metadata: { order: "7" },
    varies: { "json /request_id": ["[0-9a-zA-Z-]{36,64}", "made for each call"] },
    theirs: () =>
      client("demo").paymentAcceptance.paymentIntents.createPaymentIntent({
        amount: 10.5, currency: "EUR", merchant_order_id: "token_001", request_id: crypto.randomUUID(), metadata: { order: "7" },
      }),
  },
};


const INTENTS = "import('@airwallex/node-sdk').Airwallex['paymentAcceptance']['paymentIntents']";
export const types = { "POST /api/v1/pa/payment_intents/create": `Parameters<${INTENTS}["createPaymentIntent"]>[0]` };
