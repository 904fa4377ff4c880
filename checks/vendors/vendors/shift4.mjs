import { python } from "../python.mjs";

export const sdk = "shift4";
export const credentials = { api_key: "sk_test_madeUpShift4Key01" };

export const cases = {
  // The SDK knows no checkout sessions. It tells the host, the credentials and the header against a second session.
  checkout_session: {
    input: { amount: 1000, currency: "usd" },
    only: ["host", "header authorization", "header idempotency-key", "header content-type"],
    varies: { "header idempotency-key": ["[0-9a-zA-Z-]{8,}", "made for each call"] },
    theirs: () =>
      python(
        `
import sys, uuid, shift4
shift4.secret_key = sys.argv[1]
shift4.customers.create({"email": "a@example.com"}, {"idempotency_key": str(uuid.uuid4())})
`,
        credentials.api_key,
      ),
  },
};
