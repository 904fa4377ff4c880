import { createHash } from "node:crypto";
import gp from "globalpayments-api";

export const sdk = "globalpayments-api";
export const credentials = { app_id: "madeUpGlobalpayApp01", app_key: "madeUpGlobalpayKey01" };
export const decoration = ["x-gp-sdk"];
export const differs = {
  "header content-type": "the SDK names no media type, only a charset; the vendor documents JSON",
  "json /nonce": "the SDK takes the clock, we draw at random",
  "json /secret": "a digest over the nonce, which is recomputed below",
};

function accessToken(more) {
  const config = new gp.GpApiConfig();
  Object.assign(config, { appId: credentials.app_id, appKey: credentials.app_key, channel: gp.Channel.CardNotPresent, environment: gp.Environment.Test, ...more });
  return gp.GpApiService.generateTransactionKey(config);
}

/** Our secret by the SDK's rule. */
function verify([ours]) {
  const { nonce, secret } = JSON.parse(ours.body);
  const expected = createHash("sha512").update(nonce + credentials.app_key).digest("hex");
  return secret === expected ? [] : ["the secret is not the digest over nonce and app key"];
}

export const cases = {
  access_token: { audience: "server", verify, theirs: () => accessToken({}) },
  "access_token narrowed": {
    audience: "server",
    ttl_seconds: 3600,
    scopes: ["TRN_POST_Authorize"],
    verify,
    theirs: () => accessToken({ secondsToExpire: 3600, permissions: ["TRN_POST_Authorize"] }),
  },
  restricted_token: {
    verify,
    differs: { "json /restricted_token": "the SDK cannot ask for a restricted token; the vendor's schema has the member" },
    theirs: () => accessToken({ secondsToExpire: 600, permissions: ["PMT_POST_Create_Single"] }),
  },
};
