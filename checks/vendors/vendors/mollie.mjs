import { createMollieClient } from "@mollie/api-client";

export const sdk = "@mollie/api-client";
export const credentials = { api_key: "test_madeUpMollieKey0000000000001", profile_token: "pfl_Ab12Cd34Ef" };
export const varies = { "header idempotency-key": ["[0-9a-zA-Z+/-]{16,100}", "made for each call"] };

const mollie = createMollieClient({ apiKey: credentials.api_key });

export const cases = {
  payment: {
    reference: "token_001",
    input: { amount: "10.00", currency: "eur", description: "Order 1", return_url: "https://shop.example/r" },
    theirs: () =>
      mollie.payments.create({
        amount: { currency: "EUR", value: "10.00" }, description: "Order 1", redirectUrl: "https://shop.example/r",
        metadata: { ref: "token_001" },
      }),
  },
  apple_pay_session: {
    input: { validation_url: "https://apple-pay-gateway-cert.apple.com/paymentservices/paymentSession", domain: "pay.shop.example" },
    theirs: () =>
      mollie.applePay.requestPaymentSession({
        validationUrl: "https://apple-pay-gateway-cert.apple.com/paymentservices/paymentSession",
        domain: "pay.shop.example",
      }),
  },
};

// The SDK has no call for sessions.
export const types = {
  "POST /v2/payments": {
    of: "OnTheWire<import('@mollie/api-client').PaymentCreateParams>",
    without: {
      billingAddress: "the fixtures' addresses are a country only; the type wants street and city, which are the caller's",
      shippingAddress: "as before",
    },
  },
};
