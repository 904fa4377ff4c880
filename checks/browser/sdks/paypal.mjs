export const name = "@paypal/paypal-js";
export const mint = { connector: "paypal", grant: "client_token", input: { domains: ["shop.example"] } };
export const takes = {
  "createInstance({ clientToken })": "access_token",
  "loadCoreSdkScript({ environment })": "environment",
};
/** Version 6 of the SDK takes a client id or a client token, not both. */
export const untaken = ["client_id"];
export const stubs = {
  "https://www.sandbox.paypal.com/web-sdk/v6/core": `
    globalThis.paypal = { version: "6.0.0", createInstance: recorded("paypal.createInstance") };`,
};

export async function handOver({ access_token, client_parameters }) {
  const { loadCoreSdkScript } = await import("@paypal/paypal-js/sdk-v6");
  const paypal = await loadCoreSdkScript({ environment: client_parameters.environment });
  paypal.createInstance({ clientToken: access_token, components: ["paypal-payments"] });
}

export const expect = {
  script: "GET www.sandbox.paypal.com/web-sdk/v6/core",
  call: "paypal.createInstance",
  place: "/0/clientToken",
};
