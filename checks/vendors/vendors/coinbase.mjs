import { createPublicKey, generateKeyPairSync, verify as verifySignature } from "node:crypto";
import { generateJwt } from "@coinbase/cdp-sdk/auth";

export const sdk = "@coinbase/cdp-sdk";
export const credentials = {};
export const jwts = ["header authorization"];
const moment = (why) => ["\\d{10}", why];
export const varies = {
  "header authorization /head/nonce": ["[0-9a-f]{16,64}", "drawn at random"],
  "header authorization /claims/nbf": moment("now"),
  "header authorization /claims/exp": moment("two minutes from now"),
};

const input = { addresses: [{ address: "0xabc1", blockchains: ["ethereum"] }], clientIp: "203.0.113.7" };
const api_key_id = "00000000-0000-4000-8000-00000000abcd";

const ed25519 = generateKeyPairSync("ed25519");
const { d, x } = ed25519.privateKey.export({ format: "jwk" });
const secretOfEd25519 = Buffer.concat([Buffer.from(d, "base64url"), Buffer.from(x, "base64url")]).toString("base64");
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const secretOfP256 = p256.privateKey.export({ type: "pkcs8", format: "pem" });

export const differs = { "header authorization /claims/iat": "the SDK adds the moment of signing; nbf says the same" };

/** A case: the SDK's JWT for our call, sent with our call's URL. The JWT is what is compared. */
const signed = (api_key_secret, pair, digest) => ({
  input: { ...input, api_key_id, api_key_secret },
  only: ["host", "header authorization"],
  theirs: async ([ours]) => {
    const { host, pathname } = new URL(ours.url);
    const jwt = await generateJwt({
      apiKeyId: api_key_id, apiKeySecret: api_key_secret, requestMethod: ours.method, requestHost: host, requestPath: pathname,
    });
    await fetch(ours.url, { method: ours.method, headers: { authorization: `Bearer ${jwt}` } });
  },
  verify: ([{ headers }]) => {
    const [head, claims, signature] = headers.authorization.replace("Bearer ", "").split(".");
    const key = { key: createPublicKey(pair.privateKey), dsaEncoding: "ieee-p1363" };
    const good = verifySignature(digest, Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url"));
    return good ? [] : ["the signature of the JWT is wrong"];
  },
});

export const cases = {
  onramp_session_token: signed(secretOfEd25519, ed25519, null),
  "onramp_session_token with P-256": signed(secretOfP256, p256, "sha256"),
};
