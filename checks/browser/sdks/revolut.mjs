export const name = "@revolut/checkout";
export const mint = { connector: "revolut", grant: "order_token", input: { currency: "GBP", amount: 1000 } };
export const takes = { "RevolutCheckout(token, …)": "access_token", "RevolutCheckout(…, mode)": "mode" };
/** The vendor's own page, in place of the SDK. */
export const untaken = ["checkout_url"];
export const stubs = {
  "https://sandbox-merchant.revolut.com/version.js": `globalThis.__REV_PAY_VERSION__ = "";`,
  "https://sandbox-merchant.revolut.com/embed.js": `globalThis.RevolutCheckout = recorded("RevolutCheckout");`,
};

export async function handOver({ access_token, client_parameters }) {
  const { default: RevolutCheckout } = await import("@revolut/checkout");
  await RevolutCheckout(access_token, client_parameters.mode);
}

export const expect = {
  before: ["GET sandbox-merchant.revolut.com/version.js"],
  script: "GET sandbox-merchant.revolut.com/embed.js",
  call: "RevolutCheckout",
  place: "/0",
};
