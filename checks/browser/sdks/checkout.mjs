export const name = "@checkout.com/checkout-web-components";
export const mint = {
  connector: "checkout",
  grant: "payment_session",
  input: { billing: { address: { country: "GB" } }, currency: "GBP" },
};
export const takes = {
  "loadCheckoutWebComponents({ paymentSession.payment_session_token })": "access_token",
  "loadCheckoutWebComponents({ paymentSession.id })": "payment_session_id",
  "loadCheckoutWebComponents({ paymentSession.payment_session_secret })": "payment_session_secret",
  "loadCheckoutWebComponents({ publicKey })": "public_key",
  "loadCheckoutWebComponents({ environment })": "environment",
};
export const stubs = {
  "https://checkout-web-components.checkout.com/index.js": `
    globalThis.CheckoutWebComponents = recorded("CheckoutWebComponents");`,
};

export async function handOver({ access_token, client_parameters }) {
  const { loadCheckoutWebComponents } = await import("@checkout.com/checkout-web-components");
  const { payment_session_id: id, payment_session_secret, public_key: publicKey, environment } = client_parameters;
  const paymentSession = { id, payment_session_token: access_token, payment_session_secret };
  await loadCheckoutWebComponents({ paymentSession, publicKey, environment });
}

export const expect = {
  script: "GET checkout-web-components.checkout.com/index.js",
  call: "CheckoutWebComponents",
  place: "/0/paymentSession/payment_session_token",
};
