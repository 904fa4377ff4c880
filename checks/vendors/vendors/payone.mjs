import { python } from "../python.mjs";

export const sdk = "pcp-serversdk-python";
export const credentials = { api_key: "madeUpPayoneKey01", api_secret: "madeUpPayoneSecret01", merchant_id: "MADE_UP_P1" };
export const decoration = ["x-gcs-servermetainfo", "x-gcs-clientmetainfo"];
export const varies = {
  "header date": ["\\w{3}, \\d\\d \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d GMT", "the moment of the call"],
};
export const differs = {
  "header authorization": "the SDK signs its x-gcs headers too, and its own moment; its own function signs our headers below",
};

const SETUP = `
import asyncio, json, sys
import httpx
from pcp_serversdk_python.CommunicatorConfiguration import CommunicatorConfiguration
from pcp_serversdk_python.RequestHeaderGenerator import RequestHeaderGenerator
from pcp_serversdk_python.endpoints.AuthenticationApiClient import AuthenticationApiClient
configuration = CommunicatorConfiguration(sys.argv[1], sys.argv[2], sys.argv[3])
`;
const token = (host, reference) =>
  python(
    `${SETUP}asyncio.run(AuthenticationApiClient(configuration).get_authentication_tokens(sys.argv[4], sys.argv[5]))`,
    credentials.api_key, credentials.api_secret, host, credentials.merchant_id, reference,
  );

/** What the SDK signs of our request. */
async function verify([{ method, url, headers }]) {
  const signed = await python(
    `${SETUP}request = json.loads(sys.argv[4])
print(RequestHeaderGenerator(configuration).get_auth_header(httpx.Request(request["method"], request["url"]), httpx.Headers(request["headers"])))`,
    credentials.api_key, credentials.api_secret, new URL(url).origin, JSON.stringify({ method, url, headers }),
  );
  return headers.authorization === signed.trim() ? [] : [`the SDK would sign ${signed.trim()}, we ${headers.authorization}`];
}

export const cases = {
  authentication_token: {
    reference: "token_001",
    verify,
    theirs: () => token("https://api.preprod.commerce.payone.com", "token_001"),
  },
  "authentication_token live": {
    mode: "live",
    reference: "token_002",
    verify,
    theirs: () => token("https://api.commerce.payone.com", "token_002"),
  },
};
