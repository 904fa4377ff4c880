import { GoCardlessClient } from "gocardless-nodejs/client";
import { Environments } from "gocardless-nodejs/constants";

export const sdk = "gocardless-nodejs";
export const credentials = { api_key: "madeUpGocardlessAccessToken1" };
export const decoration = ["gocardless-client-library", "gocardless-client-version"];
export const varies = { "header idempotency-key": ["[0-9a-zA-Z_-]{36,128}", "made for each call"] };
export const answers = {
  "POST /billing_requests": { billing_requests: { id: "BRQ123" } },
  "POST /billing_request_flows": {
    billing_request_flows: {
      id: "BRF123", authorisation_url: "https://pay-sandbox.gocardless.com/flow/BRF123", expires_at: "2099-01-01T00:00:00.000Z",
      links: { billing_request: "BRQ123" },
    },
  },
};

const client = (environment) => new GoCardlessClient(credentials.api_key, environment, { raiseOnIdempotencyConflict: true });

export const cases = {
  billing_request_flow: {
    theirs: async () => {
      const gocardless = client(Environments.Sandbox);
      const request = await gocardless.billingRequests.create({ mandate_request: { scheme: "bacs" } });
      await gocardless.billingRequestFlows.create({ links: { billing_request: request.id } });
    },
  },
  "billing_request_flow live": {
    mode: "live",
    input: {
      mandate_request: { scheme: "sepa_core", currency: "EUR" },
      payment_request: { description: "Tea", amount: 500, currency: "EUR" },
      customer_id: "CU123", redirect_uri: "https://shop.example/back", exit_uri: "https://shop.example/exit",
      lock_currency: true, prefilled_customer: { email: "a@shop.example" },
    },
    metadata: { order: "7" },
    theirs: async () => {
      const gocardless = client(Environments.Live);
      const request = await gocardless.billingRequests.create({
        mandate_request: { scheme: "sepa_core", currency: "EUR" },
        payment_request: { description: "Tea", amount: 500, currency: "EUR" },
        links: { customer: "CU123" },
        metadata: { order: "7" },
      });
      await gocardless.billingRequestFlows.create({
        redirect_uri: "https://shop.example/back", exit_uri: "https://shop.example/exit", lock_currency: true,
        lock_customer_details: true, prefilled_customer: { email: "a@shop.example" }, links: { billing_request: request.id },
      });
    },
  },
  billing_request_flow_session: {
    input: { billing_request_id: "BRQ123" },
    differs: {
      "json /data": "the SDK wraps no members; the call takes none, and an empty body says so",
      "header content-type": "as before",
      "header idempotency-key": "the SDK adds one to each POST; each initialise gives a session of its own, so a second one does no harm",
    },
    theirs: async () => {
      const gocardless = client(Environments.Sandbox);
      const flow = await gocardless.billingRequestFlows.create({ links: { billing_request: "BRQ123" } });
      await gocardless.billingRequestFlows.initialise(flow.id);
    },
  },
};

const CLIENT = "import('gocardless-nodejs/client').GoCardlessClient";
export const types = {
  "POST /billing_requests": `{ billing_requests: Parameters<${CLIENT}["billingRequests"]["create"]>[0] }`,
  "POST /billing_request_flows": `{ billing_request_flows: Parameters<${CLIENT}["billingRequestFlows"]["create"]>[0] }`,
};
