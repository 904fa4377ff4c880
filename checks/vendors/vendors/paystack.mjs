import { createRequire } from "node:module";

// Its ES modules cannot be imported by Node.
const { Paystack } = createRequire(import.meta.url)("@paystack/paystack-sdk");

// 1.2.1, the newest, was published without its code.
export const sdk = "@paystack/paystack-sdk";
export const credentials = { api_key: "sk_test_madeUpPaystackKey0001" };

const paystack = new Paystack(credentials.api_key);

export const cases = {
  transaction_access_code: {
    reference: "order-42",
    input: { email: "a@example.com", amount: 50000 },
    theirs: () => paystack.transaction.initialize({ email: "a@example.com", amount: 50000, reference: "order-42" }),
  },
};
