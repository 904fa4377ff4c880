export const name = "@paypal/paypal-js";
export const mint = { connector: "paypal", grant: "identity_client_token" };
export const takes = {
  "loadScript({ dataClientToken })": "access_token",
  "loadScript({ clientId })": "client_id",
  "loadScript({ environment })": "environment",
};
// Version 5 of the SDK reads the token from an attribute of its own script, data-client-token.
export const stubs = {
  "https://www.sandbox.paypal.com/sdk/js": `
    globalThis.paypal = { version: "5.0.0" };
    recorded("dataset of the script")({ ...document.currentScript.dataset });`,
};

export async function handOver({ access_token, client_parameters }) {
  const { loadScript } = await import("@paypal/paypal-js");
  const { client_id, environment } = client_parameters;
  await loadScript({ clientId: client_id, environment, dataClientToken: access_token });
}

export const expect = {
  script: "GET www.sandbox.paypal.com/sdk/js",
  call: "dataset of the script",
  place: "/0/clientToken",
};
