import cybersource from "cybersource-rest-client";

export const sdk = "cybersource-rest-client";
export const credentials = {
  api_key: "11112222-3333-4444-8555-666677778888",
  merchant_account: "madeup_merchant_1",
  api_secret: "bWFkZS11cC1zaGFyZWQtc2VjcmV0LW9mLTMyLWJ5dGU=",
};

const configuration = (runEnvironment) => ({
  authenticationType: "http_signature",
  runEnvironment,
  merchantID: credentials.merchant_account,
  merchantKeyId: credentials.api_key,
  merchantsecretKey: credentials.api_secret,
  logConfiguration: { enableLog: false },
});
const call = (api, method, runEnvironment, body) =>
  new Promise((done) => new api(configuration(runEnvironment), new cybersource.ApiClient())[method](body, done));

/** The same moment, so that the SDK signs the same date. */
const at = ([first]) => Date.parse(first.headers.date);

export const cases = {};
