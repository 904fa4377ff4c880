import { python } from "../python.mjs";

export const sdk = "multisafepay";
export const differs = {
  "header api_key": "the vendor's PHP SDK sends the key so, as we do",
  "header authorization": "the vendor's Python SDK sends the key as a Bearer token",
  "query locale": "the language of the SDK's messages",
};
export const credentials = { api_key: "madeupmultisafepaykey0001" };

const token = (environment) =>
  python(
    `
import sys
from multisafepay import Sdk
Sdk(sys.argv[1], sys.argv[2] == "live").get_auth_manager().get_api_token()
`,
    credentials.api_key,
    environment,
  );

export const cases = {
  api_token: { theirs: () => token("test") },
  "api_token live": { mode: "live", theirs: () => token("live") },
};
