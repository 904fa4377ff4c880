import { python } from "../python.mjs";

export const sdk = "shift4";
export const credentials = { api_key: "sk_test_madeUpShift4Key01" };

/** The token that the SDK signs, beside ours. The SDK has no call for checkout sessions. */
const signs = (request) => async (_ours, answer) => {
  const theirs = await python(
    "import json, sys, shift4; shift4.secret_key = sys.argv[1]; print(shift4.checkout_request.sign(json.loads(sys.argv[2])))",
    credentials.api_key,
    JSON.stringify(request),
  );
  const ours = JSON.parse(answer).access_token;
  return ours === theirs.trim() ? [] : [`the SDK signs ${theirs.trim()}, we ${ours}`];
};

export const cases = {
  signed_checkout_request: {
    input: { amount: 499, currency: "eur" },
    verifyOnly: true,
    verify: signs({ charge: { amount: 499, currency: "EUR" } }),
  },
  "signed_checkout_request of a plan": {
    input: {
      customer_id: "cust_1", plan_id: "plan_1", remember_me: true, three_d_secure: { enable: true },
      terms_and_conditions_url: "https://shop.example/terms",
    },
    verifyOnly: true,
    verify: signs({
      customerId: "cust_1", subscription: { planId: "plan_1" }, rememberMe: true, threeDSecure: { enable: true },
      termsAndConditionsUrl: "https://shop.example/terms",
    }),
  },
};
