import { createPublicKey, generateKeyPairSync } from "node:crypto";
import signing from "truelayer-signing";

export const sdk = "truelayer-signing";
const pair = generateKeyPairSync("ec", { namedCurve: "secp521r1" });
export const credentials = {
  client_id: "sandbox-madeup-0001",
  client_secret: "madeUpTruelayerSecret0001",
  private_key: pair.privateKey.export({ type: "sec1", format: "pem" }),
  kid: "00000000-0000-4000-8000-0000000000aa",
};
export const answers = {
  "POST /connect/token": { access_token: "eyJhbGci.LOGIN.BBB", expires_in: 3600, token_type: "Bearer", scope: "payments" },
};

const payment = {
  amount_in_minor: 100, currency: "GBP",
  payment_method: {
    type: "bank_transfer", provider_selection: { type: "user_selected" },
    beneficiary: { type: "merchant_account", merchant_account_id: "ma-0001" },
  },
  user: { name: "A Payer", email: "a@payer.example" },
};

export const cases = {
  // The package signs and makes no calls. It checks our signature as the vendor does.
  resource_token: {
    input: { payment },
    verifyOnly: true,
    verify: (ours) => {
      const call = ours[1];
      if (!call) return ["we made no second call"];
      const { pathname } = new URL(call.url);
      signing.verify({
        publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }),
        signature: call.headers["tl-signature"],
        method: call.method,
        path: pathname,
        body: call.body,
        requiredHeaders: ["Idempotency-Key"],
        headers: call.headers,
      });
      const kid = signing.extractKid(call.headers["tl-signature"]);
      return kid === credentials.kid ? [] : [`the key id is ${kid}`];
    },
  },
};
