import paystack from "@paystack/paystack-sdk";

// Later versions cannot be imported: 1.2.0 mixes two kinds of modules, 1.2.1 was published without its code.
export const sdk = "@paystack/paystack-sdk";
export const credentials = { api_key: "sk_test_madeUpPaystackKey0001" };

const Paystack = paystack.Paystack ?? paystack.default ?? paystack;

export const cases = {
  transaction_access_code: {
    reference: "order-42",
    differs: { "header content-type": "the SDK names none" },
    input: { email: "a@example.com", amount: 50000 },
    theirs: () => new Paystack(credentials.api_key).transaction.initialize({ email: "a@example.com", amount: 50000, reference: "order-42" }),
  },
};
