export const name = "@paypal/paypal-js";
export const mint = { connector: "paypal", grant: "id_token" };
export const takes = {
  "loadScript({ dataUserIdToken })": "access_token",
  "loadScript({ clientId })": "client_id",
  "loadScript({ environment })": "environment",
};
// Version 5 of the SDK reads the token from an attribute of its own script, data-user-id-token.
export const stubs = {
  "https://www.sandbox.paypal.com/sdk/js": `
    globalThis.paypal = { version: "5.0.0" };
    recorded("dataset of the script")({ ...document.currentScript.dataset });`,
};

export async function handOver({ access_token, client_parameters }) {
  const { loadScript } = await import("@paypal/paypal-js");
  const { client_id, environment } = client_parameters;
  await loadScript({ clientId: client_id, environment, dataUserIdToken: access_token });
}

export const expect = {
  script: "GET www.sandbox.paypal.com/sdk/js",
  call: "dataset of the script",
  place: "/0/userIdToken",
};
