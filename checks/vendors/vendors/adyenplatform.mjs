import adyen from "@adyen/api-library";

const { Client, EnvironmentEnum, SessionAuthenticationAPI } = adyen;

export const sdk = "@adyen/api-library";
export const credentials = { api_key: "AQEmadeUpPlatformKey0001" };
export const decoration = ["adyen-library-name", "adyen-library-version"];

const client = (environment) => new Client({ apiKey: credentials.api_key, environment, liveEndpointUrlPrefix: "unused" });
const session = (environment, body) =>
  new SessionAuthenticationAPI(client(environment)).SessionAuthenticationApi.createAuthenticationSession(body);

const body = {
  allowOrigin: "https://shop.example",
  product: "onboarding",
  policy: {
    resources: [{ type: "legalEntity", legalEntityId: "LE00001" }],
    roles: ["manageTransferInstrumentComponent"],
  },
};

export const cases = {
  session: { input: body, theirs: () => session(EnvironmentEnum.TEST, body) },
  "session live": { mode: "live", input: body, theirs: () => session(EnvironmentEnum.LIVE, body) },
};
