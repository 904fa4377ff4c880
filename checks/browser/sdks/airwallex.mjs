export const name = "@airwallex/components-sdk";
export const mint = {
  connector: "airwallex",
  grant: "payment_intent_client_secret",
  input: { amount: "10.50", currency: "EUR" },
};
export const takes = {
  "createElement('dropIn', { client_secret })": "access_token",
  "createElement('dropIn', { intent_id })": "payment_intent_id",
  "createElement('dropIn', { currency })": "currency",
  "init({ env })": "env",
};
const ignored = "async () => {}";
export const stubs = {
  "https://static-demo.airwallex.com/widgets/sdk-controller/sdk/v1/index.js": `
    (globalThis._AirwallexSDKs ??= {}).__controller__ = { init: ${ignored}, registerElement: ${ignored},
      registerFunctions: ${ignored}, internalSDKs: {}, createElement: recorded("createElement") };`,
  "https://checkout-demo.airwallex.com/assets/elements.bundle.min.js": `
    (globalThis._AirwallexSDKs ??= {}).payment = {};`,
};
/** The package preloads the scripts of live payments as soon as it is imported, whatever init says later. */
const preloaded = [
  "GET static.airwallex.com/widgets/sdk-controller/sdk/v1/index.js",
  "GET checkout.airwallex.com/assets/elements.bundle.min.js",
];
export const aborted = [...preloaded, "POST o11y-demo.airwallex.com/airtracker/logs"];

export async function handOver({ access_token, client_parameters }) {
  const { init, createElement } = await import("@airwallex/components-sdk");
  const { env, currency, payment_intent_id } = client_parameters;
  await init({ env, enabledElements: ["payments"] });
  await createElement("dropIn", { intent_id: payment_intent_id, client_secret: access_token, currency });
}

export const expect = {
  before: ["GET static-demo.airwallex.com/widgets/sdk-controller/sdk/v1/index.js", ...preloaded],
  script: "GET checkout-demo.airwallex.com/assets/elements.bundle.min.js",
  call: "createElement",
  place: "/1/client_secret",
};
