// Global Payments' SDK with a shared token: node globalpayments.js
//
// The SDK reads `config.accessTokenInfo` before every call and asks for no token while there is one. It never looks at
// an expiry: the program puts a new token there. It also needs the name of the account, which its own login would read.

import gp from "globalpayments-api";

import { serverToken, shared } from "./server_token.js";

const credentials = { app_id: "sandboxAppId", app_key: "sandboxAppKey" };

const config = new gp.GpApiConfig();
Object.assign(config, {
  appId: credentials.app_id,
  appKey: credentials.app_key,
  channel: gp.Channel.CardNotPresent,
  environment: gp.Environment.Test,
});
gp.ServicesContainer.configureService(config);

async function renew() {
  const { access_token } = await serverToken("globalpay", credentials);
  const info = (config.accessTokenInfo ??= new gp.AccessTokenInfo());
  Object.assign(info, { accessToken: access_token, transactionProcessingAccountName: "Sandbox Shop" });
}

const refunds = await Promise.all(
  Array.from({ length: 10 }, async (_, nth) => {
    if (shared) await renew();
    return gp.Transaction.fromId(`TRN_${nth}`).refund("10.00").withCurrency("EUR").execute();
  }),
);
console.log(refunds.map(({ responseMessage }) => responseMessage).join(" "));
