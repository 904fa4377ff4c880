import Chargebee from "chargebee";

export const sdk = "chargebee";
export const credentials = { api_key: "test_madeUpChargebeeKey1", site: "acme" };
export const decoration = ["lang-version", "os-version"];
export const varies = { "header chargebee-idempotency-key": ["[0-9a-zA-Z-]{36,100}", "made for each call"] };

const client = (site, apiKey) => new Chargebee({ site, apiKey });
const key = () => ({ "chargebee-idempotency-key": crypto.randomUUID() });

// The label of the host is a credential, so `daypass explain` hides it.
const testSite = "https://acme-test.chargebee.com";

export const cases = {
  portal_session: {
    origin: testSite,
    input: { customer_id: "cust_1", redirect_url: "https://shop.example/back" },
    theirs: () =>
      client("acme-test", credentials.api_key).portalSession.create(
        { customer: { id: "cust_1" }, redirect_url: "https://shop.example/back" }, key(),
      ),
  },
  "portal_session live": {
    mode: "live",
    origin: "https://acme.chargebee.com",
    credentials: { api_key: "live_madeUpChargebeeKey1" },
    input: { customer_id: "cust_1" },
    theirs: () => client("acme", "live_madeUpChargebeeKey1").portalSession.create({ customer: { id: "cust_1" } }, key()),
  },
  manage_payment_sources: {
    origin: testSite,
    input: { customer_id: "cust_1", redirect_url: "https://shop.example/back" },
    theirs: () =>
      client("acme-test", credentials.api_key).hostedPage.managePaymentSources(
        { customer: { id: "cust_1" }, redirect_url: "https://shop.example/back" }, key(),
      ),
  },
};

export const types = {
  "POST /api/v2/portal_sessions": "import('chargebee').PortalSession.CreateInputParam",
  "POST /api/v2/hosted_pages/manage_payment_sources": "import('chargebee').HostedPage.ManagePaymentSourcesInputParam",
};
