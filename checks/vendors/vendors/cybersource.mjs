import { createHmac } from "node:crypto";
import sdkOfVendor from "cybersource-rest-client";

export const sdk = "cybersource-rest-client";
export const credentials = {
  api_key: "11112222-3333-4444-8555-666677778888",
  merchant_account: "madeup_merchant_1",
  api_secret: "bWFkZS11cC1zaGFyZWQtc2VjcmV0LW9mLTMyLWJ5dGU=",
};
export const decoration = ["v-c-client-id", "v-c-solution-id", "v-c-client-computetime", "v-c-sdk-telemetry-merchant-id"];
export const varies = { "header authorization /claims/jti": ["[0-9a-f-]{36}", "made for each call"] };
export const jwts = ["header authorization"];

/** The SDK's call, authenticated as ours is. The host is part of what is signed, so the SDK gets ours. */
function call(api, method, body, [ours]) {
  const jwt = ours.headers.authorization;
  const client = new sdkOfVendor[api](
    {
      authenticationType: jwt ? "jwt" : "http_signature",
      ...(jwt && { jwtKeyType: "SHARED_SECRET" }),
      runEnvironment: signedHost(ours),
      merchantID: credentials.merchant_account,
      merchantKeyId: credentials.api_key,
      merchantsecretKey: credentials.api_secret,
      logConfiguration: { enableLog: false },
    },
    new sdkOfVendor.ApiClient(),
  );
  return new Promise((done) => client[method](body, done));
}

const claims = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url"));
const signedHost = ({ headers }) => (headers.authorization ? claims(headers.authorization)["request-host"] : headers.host);

/** The moment that we signed. */
const at = ([{ headers }]) => (headers.authorization ? claims(headers.authorization).iat * 1000 : Date.parse(headers.date));

/** The MAC of our JWT, which holds an id of its own, so that it cannot equal the SDK's. */
function verify([{ headers }]) {
  if (!headers.authorization) return [];
  const [head, body, mac] = headers.authorization.replace("Bearer ", "").split(".");
  const expected = createHmac("sha256", Buffer.from(credentials.api_secret, "base64")).update(`${head}.${body}`).digest("base64url");
  return mac === expected ? [] : ["the JWT's MAC is wrong"];
}

export const cases = {
  microform_session: {
    input: { target_origins: ["https://shop.example"] },
    at,
    verify,
    theirs: (ours) =>
      call("MicroformIntegrationApi", "generateCaptureContext", {
        targetOrigins: ["https://shop.example"], clientVersion: "v2", allowedCardNetworks: ["VISA", "MASTERCARD", "AMEX", "DISCOVER"],
      }, ours),
  },
};
