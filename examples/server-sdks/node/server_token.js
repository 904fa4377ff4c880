// The SERVER token that a service's backends share, from Daypass. The other programs of this folder hand it to an SDK.

const DAYPASS = process.env.TOKEN_SERVICE_ADDRESS;
const PATH = "ucs.v2.MerchantAuthenticationService/CreateAccessToken";

/** Whether the SDK gets its tokens from Daypass. Without an address it asks the vendor itself, for comparison. */
export const shared = DAYPASS !== undefined;

/**
 * A token of audience SERVER. `fresh` asks for a new one: after the vendor's 401, and only then.
 *
 * @throws with the service's message, which names no secret
 */
export async function serverToken(connector, credentials, { fresh = false, ...feature } = {}) {
  const wrapped = { [connector[0].toUpperCase() + connector.slice(1)]: credentials };
  const response = await fetch(`http://${DAYPASS}/${PATH}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-connector": connector,
      "x-connector-auth": JSON.stringify(wrapped),
      ...(fresh && { "cache-control": "no-cache" }),
    },
    body: JSON.stringify({
      // Equal requests share one token. The reference is this caller's name for it.
      merchant_access_token_id: `backend-${connector}-${crypto.randomUUID()}`,
      connector: connector.toUpperCase(),
      test_mode: true,
      connector_feature_data: JSON.stringify({ audience: "server", ...feature }),
    }),
    signal: AbortSignal.timeout(10_000),
  });
  const answer = await response.json();
  if (answer.status !== "SUCCESS") {
    throw new Error(answer.message ?? answer.error?.unified_details?.message ?? "no token");
  }
  return answer;
}
