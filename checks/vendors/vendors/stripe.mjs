import Stripe from "stripe";

export const sdk = "stripe";
export const credentials = { api_key: "sk_test_MadeUpStripeKey0001" };
export const decoration = ["x-stripe-client-telemetry", "x-stripe-client-user-agent"];
export const varies = { "header idempotency-key": ["[0-9a-zA-Z-]{36,100}", "made for each call"] };

// SDKs of this version retry what fails; the recorder's answer does not fail.
const stripe = new Stripe(credentials.api_key, { maxNetworkRetries: 1 });

const expires_at = { "form expires_at": ["\\d{10}", "the end of an hour from now"] };
const anHourFromNow = () => Math.floor(Date.now() / 1000) + 3600;

export const cases = {
  checkout_session_setup: {
    reference: "token_001",
    varies: expires_at,
    theirs: () =>
      stripe.checkout.sessions.create({
        mode: "setup",
        ui_mode: "embedded_page",
        client_reference_id: "token_001",
        allowed_payment_method_types: ["card"],
        redirect_on_completion: "never",
        expires_at: anHourFromNow(),
      }),
  },
  "checkout_session_setup with everything": {
    reference: "token_002",
    input: {
      customer: "cus_123", stripe_account: "acct_1", currency: "EUR", ui_mode: "elements",
      payment_method_types: ["card", "sepa_debit"], return_url: "https://shop.example/ret?s={CHECKOUT_SESSION_ID}",
    },
    metadata: { order: "42", "with space": "a&b=c é" },
    varies: expires_at,
    theirs: () =>
      stripe.checkout.sessions.create(
        {
          mode: "setup", ui_mode: "elements", customer: "cus_123", currency: "eur", client_reference_id: "token_002",
          allowed_payment_method_types: ["card", "sepa_debit"],
          return_url: "https://shop.example/ret?s={CHECKOUT_SESSION_ID}",
          metadata: { order: "42", "with space": "a&b=c é" }, expires_at: anHourFromNow(),
        },
        { stripeAccount: "acct_1" },
      ),
  },
  ephemeral_key: {
    input: { customer: "cus_123" },
    theirs: () => stripe.ephemeralKeys.create({ customer: "cus_123" }, { apiVersion: Stripe.API_VERSION }),
  },
  "ephemeral_key of a card": {
    input: { issuing_card: "ic_1", nonce: "nonce_1" },
    theirs: () => stripe.ephemeralKeys.create({ issuing_card: "ic_1", nonce: "nonce_1" }, { apiVersion: Stripe.API_VERSION }),
  },
  "ephemeral_key of a new customer": {
    input: { create_customer: true },
    metadata: { order: "42" },
    answers: { "POST /v1/customers": { id: "cus_456", object: "customer" } },
    theirs: async () => {
      const customer = await stripe.customers.create({ metadata: { order: "42" } });
      await stripe.ephemeralKeys.create({ customer: customer.id }, { apiVersion: Stripe.API_VERSION });
    },
  },
  customer_session: {
    input: {
      customer: "cus_123",
      components: { payment_element: { enabled: true, features: { payment_method_allow_redisplay_filters: ["always"], payment_method_redisplay_limit: 3 } } },
    },
    theirs: () =>
      stripe.customerSessions.create({
        customer: "cus_123",
        components: { payment_element: { enabled: true, features: { payment_method_allow_redisplay_filters: ["always"], payment_method_redisplay_limit: 3 } } },
      }),
  },
  setup_intent: {
    input: { usage: "on_session", customer: "cus_123", description: "monthly box", payment_method_types: ["card"] },
    metadata: { order: "42" },
    theirs: () =>
      stripe.setupIntents.create({
        usage: "on_session", customer: "cus_123", description: "monthly box", allowed_payment_method_types: ["card"],
        metadata: { order: "42" },
      }),
  },
  payment_intent: {
    input: { amount: 1050, currency: "EUR", automatic_payment_methods: true },
    theirs: () => stripe.paymentIntents.create({ amount: 1050, currency: "eur", automatic_payment_methods: { enabled: true } }),
  },
  terminal_connection_token: {
    input: { location: "tml_1" },
    theirs: () => stripe.terminal.connectionTokens.create({ location: "tml_1" }),
  },
};

// Fixtures of other versions have other parameters.
export const typesOf = { "stripe-version": Stripe.API_VERSION };
export const types = {
  "POST /v1/checkout/sessions": "import('stripe').Stripe.Checkout.SessionCreateParams",
  "POST /v1/ephemeral_keys": "import('stripe').Stripe.EphemeralKeyCreateParams",
  "POST /v1/customer_sessions": "import('stripe').Stripe.CustomerSessionCreateParams",
  "POST /v1/setup_intents": "import('stripe').Stripe.SetupIntentCreateParams",
  "POST /v1/payment_intents": "import('stripe').Stripe.PaymentIntentCreateParams",
  "POST /v1/terminal/connection_tokens": "import('stripe').Stripe.Terminal.ConnectionTokenCreateParams",
  "POST /v1/customers": "import('stripe').Stripe.CustomerCreateParams",
};
