import { SquareClient, SquareEnvironment } from "square";

export const sdk = "square";
export const credentials = {
  access_token: "EAAAmadeUpSquareToken0001",
  application_id: "sandbox-sq0idp-madeUpSquareApp01",
  application_secret: "sandbox-sq0csp-madeUpSquareSecret01",
  refresh_token: "EQAAmadeUpSquareRefresh0001",
};
export const decoration = ["x-fern-language", "x-fern-runtime", "x-fern-runtime-version", "x-fern-sdk-name", "x-fern-sdk-version"];

const client = (environment, token) => new SquareClient({ environment, token, maxRetries: 0 });
const idempotency = { "json /idempotency_key": ["[0-9a-zA-Z-]{36,64}", "made for each call"] };
const version = "the SDK names the API version that it was made for; without the header it is the application's own";

export const cases = {
  device_code: {
    varies: idempotency,
    differs: { "header square-version": version },
    theirs: () =>
      client(SquareEnvironment.Sandbox, credentials.access_token).devices.codes.create({
        idempotencyKey: crypto.randomUUID(),
        deviceCode: { productType: "TERMINAL_API" },
      }),
  },
  "device_code live": {
    mode: "live",
    credentials: { application_id: "sq0idp-madeUpSquareApp01" },
    input: { location_id: "L1MADEUP", name: "Counter 1" },
    varies: idempotency,
    differs: { "header square-version": version },
    theirs: () =>
      client(SquareEnvironment.Production, credentials.access_token).devices.codes.create({
        idempotencyKey: crypto.randomUUID(),
        deviceCode: { productType: "TERMINAL_API", locationId: "L1MADEUP", name: "Counter 1" },
      }),
  },
  oauth_refresh: {
    audience: "server",
    scopes: ["PAYMENTS_READ"],
    differs: { "header square-version": version },
    theirs: () =>
      client(SquareEnvironment.Sandbox).oAuth.obtainToken({
        clientId: credentials.application_id,
        clientSecret: credentials.application_secret,
        grantType: "refresh_token",
        refreshToken: credentials.refresh_token,
        shortLived: true,
        scopes: ["PAYMENTS_READ"],
      }),
  },
};

const WIRE = "import('square').serialization";
export const types = {
  "POST /v2/devices/codes": `${WIRE}.devices.CreateDeviceCodeRequest.Raw`,
  "POST /oauth2/token": `${WIRE}.ObtainTokenRequest.Raw`,
};
