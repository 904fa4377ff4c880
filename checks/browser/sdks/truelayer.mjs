export const name = "truelayer-embedded-payment-page";
export const mint = {
  connector: "truelayer",
  grant: "resource_token",
  input: {
    payment: {
      amount_in_minor: 100,
      currency: "GBP",
      payment_method: {
        beneficiary: { merchant_account_id: "m", type: "merchant_account" },
        provider_selection: { type: "user_selected" },
        type: "bank_transfer",
      },
      user: { email: "a@payer.example", name: "A Payer" },
    },
    return_uri: "https://shop.example/return",
  },
};
export const takes = {
  "Payment({ resource_token })": "access_token",
  "Payment({ payment_id })": "payment_id",
  "Payment({ return_uri })": "return_uri",
  "Payment({ production }), as a boolean": "production",
};
// The SDK opens the vendor's page in a frame. Its data is behind the #, which no browser sends: the page reads it.
export const stubs = {
  "https://payment.truelayer-sandbox.com/payments": `
    <script>recorded("fragment of the page")(Object.fromEntries(new URLSearchParams(location.hash.slice(1))))</script>`,
};

export async function handOver({ access_token, client_parameters }) {
  const { Payment } = await import("truelayer-embedded-payment-page");
  const { payment_id, return_uri, production } = client_parameters;
  Payment({ payment_id, resource_token: access_token, return_uri, production: production === "true" }).start();
}

export const expect = {
  script: "GET payment.truelayer-sandbox.com/payments",
  call: "fragment of the page",
  place: "/0/resource_token",
};
