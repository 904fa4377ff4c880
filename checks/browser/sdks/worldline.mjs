export const name = "connect-sdk-client-js";
export const mint = { connector: "worldline", grant: "client_session" };
export const takes = {
  "Session({ clientSessionId })": "access_token",
  "Session({ customerId })": "customer_id",
  "Session({ clientApiUrl })": "client_api_url",
  "Session({ assetUrl })": "asset_url",
};
/** Only the first versions of the SDK took it. */
export const untaken = ["region"];
// The address that the fake gives as that of the Client API.
export const sandbox = ["clientapi.preprod.connect.worldline-solutions.com"];

export async function handOver({ access_token, client_parameters }) {
  const { Session } = await import("connect-sdk-client-js");
  const { customer_id, client_api_url, asset_url } = client_parameters;
  const session = new Session({
    clientSessionId: access_token,
    customerId: customer_id,
    clientApiUrl: client_api_url,
    assetUrl: asset_url,
  });
  const payment = {
    countryCode: "NL",
    locale: "en_GB",
    totalAmount: 1000,
    currency: "EUR",
    amountOfMoney: { amount: 1000, currencyCode: "EUR" },
    isRecurring: false,
  };
  const { basicPaymentProducts } = await session.getBasicPaymentProducts(payment);
  return basicPaymentProducts.map(({ id }) => id);
}

export const expect = {
  first: "GET clientapi.preprod.connect.worldline-solutions.com/client/v1/*/products",
  place: "header authorization: GCS v1Client:…",
  told: [1],
};
