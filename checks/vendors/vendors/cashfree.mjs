import { Cashfree, CFEnvironment } from "cashfree-pg";

export const sdk = "cashfree-pg";
export const credentials = { app_id: "madeUpCashfreeApp01", secret_key: "cfsk_ma_test_madeUpCashfree01" };
export const decoration = ["x-sdk-platform"];
export const varies = {
  "header x-idempotency-key": ["[0-9a-zA-Z-]{36,100}", "made for each call"],
  "json /order_expiry_time": ["\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ", "the end of the session"],
};

const client = (environment, secret) => new Cashfree(environment, credentials.app_id, secret, undefined, undefined, undefined, false);
const order = (cashfree, body) => cashfree.PGCreateOrder(body, undefined, crypto.randomUUID());
const inHalfAnHour = () => `${new Date(Date.now() + 1_800_000).toISOString().slice(0, 19)}Z`;

export const cases = {
  payment_session: {
    reference: "token_001",
    input: { order_amount: "10.15", order_currency: "inr", customer_id: "cust_1", customer_phone: "9876543210" },
    theirs: () =>
      order(client(CFEnvironment.SANDBOX, credentials.secret_key), {
        order_id: "token_001", order_amount: 10.15, order_currency: "INR",
        customer_details: { customer_id: "cust_1", customer_phone: "9876543210" }, order_expiry_time: inHalfAnHour(),
      }),
  },
  "payment_session live": {
    mode: "live",
    reference: "token_002",
    credentials: { secret_key: "cfsk_ma_prod_madeUpCashfree01" },
    input: {
      order_amount: 10, order_currency: "inr", customer_id: "cust_1", customer_phone: "9876543210", customer_email: "a@example.com",
      customer_name: "A Person", return_url: "https://shop.example/done", notify_url: "https://shop.example/hook",
      payment_methods: ["cc", "dc", "upi"], order_note: "two shoes",
    },
    metadata: { cart: "7" },
    theirs: () =>
      order(client(CFEnvironment.PRODUCTION, "cfsk_ma_prod_madeUpCashfree01"), {
        order_id: "token_002", order_amount: 10, order_currency: "INR",
        customer_details: { customer_id: "cust_1", customer_phone: "9876543210", customer_email: "a@example.com", customer_name: "A Person" },
        order_expiry_time: inHalfAnHour(),
        order_meta: { return_url: "https://shop.example/done", notify_url: "https://shop.example/hook", payment_methods: "cc,dc,upi" },
        order_note: "two shoes", order_tags: { cart: "7" },
      }),
  },
};

export const types = { "POST /pg/orders": "import('cashfree-pg').CreateOrderRequest" };
