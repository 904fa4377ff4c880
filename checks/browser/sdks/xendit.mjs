export const name = "xendit-components-web";
export const mint = {
  connector: "xendit",
  grant: "components_session_save",
  input: { country: "ID", currency: "IDR", customer_id: "cust-1", origins: ["https://shop.example"] },
};
export const takes = { "XenditComponents({ componentsSdkKey })": "access_token" };
/** It names the session; the key has all that the SDK needs. */
export const untaken = ["payment_session_id"];
// The fake has no such API. The SDK needs a session, and shows no channel.
export const stubs = {
  "https://checkout-ui-gateway-prod-dev.xendit.co/api/sessions/session-": {
    session: {
      session_type: "SAVE",
      mode: "COMPONENTS",
      status: "ACTIVE",
      currency: "IDR",
      amount: 0,
      country: "ID",
      locale: "en",
      allow_save_payment_method: "FORCED",
    },
    business: { name: "Shop", country_of_operation: "Indonesia" },
    customer: null,
    channels: [],
    channel_ui_groups: [],
  },
};

/** The SDK takes the key apart: session, gateway, public key and signature. The first part goes to the vendor. */
export const sent = ({ access_token }) => access_token.split("-").slice(0, 2).join("-");

export async function handOver({ access_token }) {
  const { XenditComponents } = await import("xendit-components-web");
  const components = new XenditComponents({ componentsSdkKey: access_token });
  const event = await new Promise((done) => {
    components.addEventListener("init", done);
    components.addEventListener("fatal-error", done);
  });
  return event.type;
}

export const expect = {
  first: "GET checkout-ui-gateway-prod-dev.xendit.co/api/sessions/*",
  place: "path",
  told: "init",
};
