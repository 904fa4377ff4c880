import { createHash } from "node:crypto";
import safecharge from "safecharge";

export const sdk = "safecharge";
export const credentials = { merchant_id: "1234567890", merchant_site_id: "12345", merchant_secret: "madeUpNuveiSecret0001" };
export const differs = {
  url: "the SDK joins its paths with two slashes; the documented path has one",
  "json /clientRequestId": "the SDK draws an id of its own",
  "json /checksum": "a digest over that id; ours is recomputed from the SDK's list of members",
};

/** The SDK's call of a method, in an environment of the SDK's words. */
const call = (environment, method, body) => {
  safecharge.initiate(credentials.merchant_id, credentials.merchant_site_id, credentials.merchant_secret, environment);
  return new Promise((done) => safecharge[method](body, done));
};
/** The moment of our time stamp, which is in UTC. */
const at = ([{ body }]) =>
  Date.parse(JSON.parse(body).timeStamp.replace(/(....)(..)(..)(..)(..)(..)/, "$1-$2-$3T$4:$5:$6Z"));
/** Our checksum over these members and the secret, as the SDK concatenates them. */
const checksumOf = (...members) => ([{ body }]) => {
  const json = JSON.parse(body);
  const text = members.map((name) => json[name]).join("") + credentials.merchant_secret;
  return json.checksum === createHash("sha256").update(text).digest("hex") ? [] : ["the checksum is another one"];
};

export const cases = {
  session_token: {
    at,
    verify: checksumOf("merchantId", "merchantSiteId", "clientRequestId", "timeStamp"),
    theirs: () => call("test", "getSessionToken", {}),
  },
  "open_order live": {
    mode: "live",
    reference: "token_002",
    input: {
      amount: "0", currency: "EUR", transaction_type: "Auth", client_unique_id: "order-1", user_token_id: "user-1",
      notification_url: "https://shop.example/dmn", prevent_override: true,
    },
    at,
    verify: checksumOf("merchantId", "merchantSiteId", "clientRequestId", "amount", "currency", "timeStamp"),
    theirs: () =>
      call("prod", "openOrder", {
        amount: "0", currency: "EUR", transactionType: "Auth", clientUniqueId: "order-1", userTokenId: "user-1",
        urlDetails: { notificationUrl: "https://shop.example/dmn" }, preventOverride: "1",
      }),
  },
};
