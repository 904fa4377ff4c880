export const name = "@cashfreepayments/cashfree-js";
export const mint = {
  connector: "cashfree",
  grant: "payment_session",
  input: { customer_id: "cust1", customer_phone: "9876543210", order_amount: "10.15", order_currency: "INR" },
};
export const takes = { "checkout({ paymentSessionId })": "access_token", "load({ mode })": "mode" };
/** For the mobile SDKs. */
export const untaken = ["order_id"];
export const stubs = {
  "https://sdk.cashfree.com/js/v3/cashfree.js": `
    globalThis.Cashfree = () => ({ checkout: recorded("cashfree.checkout") });`,
};

export async function handOver({ access_token, client_parameters }) {
  const { load } = await import("@cashfreepayments/cashfree-js");
  const cashfree = await load({ mode: client_parameters.mode });
  cashfree.checkout({ paymentSessionId: access_token });
}

export const expect = {
  script: "GET sdk.cashfree.com/js/v3/cashfree.js",
  call: "cashfree.checkout",
  place: "/0/paymentSessionId",
};
