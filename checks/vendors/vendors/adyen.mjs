import adyen from "@adyen/api-library";

const { CheckoutAPI, Client, EnvironmentEnum } = adyen;

export const sdk = "@adyen/api-library";
export const credentials = { api_key: "AQEmadeUpAdyenApiKey0001", merchant_account: "ExampleCoECOM" };
export const decoration = ["adyen-library-name", "adyen-library-version"];
export const varies = {
  "header idempotency-key": ["[0-9a-zA-Z-]{36,64}", "made for each call"],
  "json /expiresAt": ["\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z", "the end of an hour from now"],
};

const environments = {
  test: new CheckoutAPI(new Client({ apiKey: credentials.api_key, environment: EnvironmentEnum.TEST })),
  live: new CheckoutAPI(
    new Client({ apiKey: credentials.api_key, environment: EnvironmentEnum.LIVE, liveEndpointUrlPrefix: "0123456789abcdef-ExampleCo" }),
  ),
};
const session = (mode, body) =>
  environments[mode].PaymentsApi.sessions(
    { merchantAccount: "ExampleCoECOM", expiresAt: new Date(Date.now() + 3_600_000), ...body },
    { idempotencyKey: crypto.randomUUID() },
  );

export const cases = {
  session_zero_value: {
    reference: "token_001",
    input: { currency: "EUR", return_url: "https://shop.example/ret" },
    theirs: () =>
      session("test", { amount: { currency: "EUR", value: 0 }, reference: "token_001", returnUrl: "https://shop.example/ret" }),
  },
  "session_zero_value for a shopper": {
    reference: "token_002",
    input: {
      currency: "eur", return_url: "app.example://back", country_code: "nl", channel: "iOS", shopper_locale: "nl-NL",
      allowed_payment_methods: ["scheme"], shopper_reference: "shopper-1", shopper_interaction: "Ecommerce",
      recurring_processing_model: "CardOnFile", store_payment_method_mode: "askForConsent",
    },
    metadata: { order: "42" },
    theirs: () =>
      session("test", {
        amount: { currency: "EUR", value: 0 }, reference: "token_002", returnUrl: "app.example://back", countryCode: "NL",
        channel: "iOS", shopperLocale: "nl-NL", allowedPaymentMethods: ["scheme"], shopperReference: "shopper-1",
        shopperInteraction: "Ecommerce", recurringProcessingModel: "CardOnFile", storePaymentMethodMode: "askForConsent",
        metadata: { order: "42" },
      }),
  },
  "session live": {
    mode: "live",
    reference: "token_003",
    input: { amount: 1050, currency: "EUR", return_url: "https://shop.example/ret", endpoint_prefix: "0123456789abcdef-ExampleCo" },
    theirs: () =>
      session("live", { amount: { currency: "EUR", value: 1050 }, reference: "token_003", returnUrl: "https://shop.example/ret" }),
  },
};

// A date is a text on the wire, and the enumerations are texts.
const BODY = "import('@adyen/api-library/lib/src/typings/checkout/createCheckoutSessionRequest').CreateCheckoutSessionRequest";
const type = { of: `OnTheWire<${BODY}>` };
export const types = { "POST /v72/sessions": type, "POST /checkout/v72/sessions": type };
