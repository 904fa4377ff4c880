export const name = "react-plaid-link";
export const mint = {
  connector: "plaid",
  grant: "link_token",
  input: { client_name: "Sandbox", country_codes: ["US"], language: "en", products: ["auth"] },
};
export const takes = { "usePlaidLink({ token })": "access_token" };
export const stubs = {
  "https://cdn.plaid.com/link/v2/stable/link-initialize.js": `
    globalThis.Plaid = { create: recorded("Plaid.create", { open() {}, exit() {}, destroy() {} }) };`,
};

export async function handOver({ access_token }) {
  const { createElement } = await import("react");
  const { createRoot } = await import("react-dom/client");
  const { usePlaidLink } = await import("react-plaid-link");
  const Bank = () => {
    usePlaidLink({ token: access_token, onSuccess() {} });
    return null;
  };
  createRoot(document.querySelector("#pay")).render(createElement(Bank));
}

export const expect = {
  script: "GET cdn.plaid.com/link/v2/stable/link-initialize.js",
  call: "Plaid.create",
  place: "/0/token",
};
