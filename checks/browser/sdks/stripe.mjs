export const name = "@stripe/stripe-js";
export const mint = {
  connector: "stripe",
  grant: "checkout_session_setup",
  input: { publishable_key: "pk_test_51SandboxSandboxSandbox" },
};
export const takes = {
  "createEmbeddedCheckoutPage({ clientSecret })": "access_token",
  "loadStripe(publishableKey)": "publishable_key",
};
/** For the page's own use. */
export const untaken = ["session_id"];
// The path has the name of the release that the package is made for.
export const stubs = {
  "https://js.stripe.com/endive/stripe.js": `
    globalThis.Stripe = () => ({ createEmbeddedCheckoutPage: recorded("stripe.createEmbeddedCheckoutPage") });
    globalThis.Stripe.version = "endive";`,
};

export async function handOver({ access_token, client_parameters }) {
  const { loadStripe } = await import("@stripe/stripe-js");
  const stripe = await loadStripe(client_parameters.publishable_key);
  stripe.createEmbeddedCheckoutPage({ clientSecret: access_token });
}

export const expect = {
  script: "GET js.stripe.com/endive/stripe.js",
  call: "stripe.createEmbeddedCheckoutPage",
  place: "/0/clientSecret",
};
