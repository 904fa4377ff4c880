export const name = "@adyen/adyen-web";
export const mint = {
  connector: "adyen",
  grant: "session",
  input: {
    amount: 1000,
    currency: "EUR",
    return_url: "https://shop.example/return",
    country_code: "NL",
    client_key: "test_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
  },
};
export const takes = {
  "AdyenCheckout({ session.sessionData })": "access_token",
  "AdyenCheckout({ session.id })": "session_id",
  "AdyenCheckout({ environment })": "environment",
  "AdyenCheckout({ clientKey })": "client_key",
};
/** Statistics, sent some time after the session is made: a page may be closed before. */
export const aborted = ["POST checkoutanalytics-test.adyen.com/checkoutanalytics/v3/analytics"];
export const sandbox = ["checkoutshopper-test.adyen.com"];

export async function handOver({ access_token, client_parameters }) {
  const { AdyenCheckout } = await import("@adyen/adyen-web");
  const { session_id, environment, client_key } = client_parameters;
  const session = { id: session_id, sessionData: access_token };
  const checkout = await AdyenCheckout({ session, environment, clientKey: client_key });
  return checkout.options.amount;
}

export const expect = {
  first: "POST checkoutshopper-test.adyen.com/checkoutshopper/v1/sessions/*/setup",
  place: "body /sessionData",
  told: { value: 1000, currency: "EUR" },
};
