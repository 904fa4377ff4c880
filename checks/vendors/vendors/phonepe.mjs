import { CreateSdkOrderRequest, Env, StandardCheckoutClient } from "pg-sdk-node";

export const sdk = "pg-sdk-node";
export const credentials = { merchant_id: "MADEUPMERCHANT", salt_key: "madeUpPhonepeSalt01", salt_index: "1" };
export const decoration = [
  "x-source", "x-source-version", "x-source-platform", "x-source-platform-version", "x-source-channel", "x-source-channel-version",
];
const login = { client_id: "MADEUP_2601010000", client_secret: "madeUpPhonepeSecret01", client_version: "1" };
const token = { access_token: "eyJmadeUpLogin", token_type: "O-Bearer", expires_at: 4070908800, issued_at: 1700000000 };
export const answers = { "POST /apis/pg-sandbox/v1/oauth/token": token, "POST /apis/identity-manager/v1/oauth/token": token };

const order = () =>
  CreateSdkOrderRequest.StandardCheckoutBuilder().merchantOrderId("token_001").amount(10000).expireAfter(1200).build();

export const cases = {
  sdk_order_token: {
    reference: "token_001",
    differs: { "json /paymentFlow/merchantUrls": "the SDK adds an empty object" },
    input: { ...login, amount: 10000 },
    theirs: () => StandardCheckoutClient.getInstance(login.client_id, login.client_secret, 1, Env.SANDBOX, false).createSdkOrder(order()),
  },
};

// The SDK sends merchantUrls, but its class has them as a private member.
const FLOW = "{ paymentFlow: { type: 'PG_CHECKOUT' | 'PG'; message?: string; merchantUrls?: { redirectUrl?: string } } }";
const ORDER = `Omit<OnTheWire<import('pg-sdk-node').CreateSdkOrderRequest>, 'paymentFlow'> & ${FLOW}`;
export const types = {
  "POST /apis/pg-sandbox/checkout/v2/sdk/order": ORDER,
  "POST /apis/pg/checkout/v2/sdk/order": ORDER,
};
