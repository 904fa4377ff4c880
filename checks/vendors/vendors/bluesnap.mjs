import { python } from "../python.mjs";

// Not the vendor's own: it has none. Mayple, a merchant, made this one and lives with it.
export const sdk = "bluesnap";
export const credentials = { username: "API_madeUp0001", password: "madeUpPassword1" };
export const differs = { "header content-type": "the package asks for the XML API, we for JSON" };

const token = (environment, ...shopper) =>
  python(
    `
import sys
from bluesnap import client, resources
client.configure(env=sys.argv[1], username=sys.argv[2], password=sys.argv[3], default_store_id="1", seller_id="1", default_currency="USD")
resources.PaymentFieldsTokenResource().create(*sys.argv[4:])
`,
    environment, credentials.username, credentials.password, ...shopper,
  );

export const cases = {
  payment_fields_token: { theirs: () => token("sandbox") },
  "payment_fields_token of a shopper, live": {
    mode: "live",
    input: { shopper_id: "20769005" },
    theirs: () => token("live", "20769005"),
  },
};
