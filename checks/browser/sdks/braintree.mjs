export const name = "braintree-web";
export const mint = { connector: "braintree", grant: "client_token" };
export const takes = { "client.create({ authorization })": "access_token" };
export const sandbox = ["payments.sandbox.braintree-api.com"];
export const note = "the sandbox's own address in the token is replaced by Braintree's first: the SDK takes no other";

/** Statistics, which no check needs. */
export const aborted = ["POST www.paypal.com/xoplatform/logger/api/logger"];

const inside = (token) => JSON.parse(atob(token));
/** The token names the address that the SDK calls. */
export function arrange(token) {
  const members = inside(token);
  members.graphQL.url = "https://payments.sandbox.braintree-api.com/graphql";
  return btoa(JSON.stringify(members));
}
/** The SDK unpacks the token and sends the fingerprint in it. */
export const sent = ({ access_token }) => inside(access_token).authorizationFingerprint;
export const spoil = (token) => btoa(JSON.stringify({ ...inside(token), authorizationFingerprint: "unknown" }));

export async function handOver({ access_token }) {
  const { client } = await import("braintree-web");
  const made = await client.create({ authorization: access_token });
  return made.getConfiguration().gatewayConfiguration.environment;
}

export const expect = {
  first: "POST payments.sandbox.braintree-api.com/graphql",
  place: "header authorization: Bearer …",
  told: "sandbox",
};
