#!/usr/bin/env bash
# npm @paypal/paypal-server-sdk 2.5.0: a token provider (`oAuthTokenProvider`) that throws once breaks its client for good.
# The second call fails with the first call's error, and the provider is not asked again. A client that is made anew asks.
# No request is sent: the provider never gives a token.
# Ends with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts @paypal/paypal-server-sdk@2.5.0 >/dev/null 2>&1
cat >ask.cjs <<'JS'
const { Client, PaymentsController } = require("@paypal/paypal-server-sdk");

let asked = 0;
async function oAuthTokenProvider() {
    asked += 1;
    throw new Error(`no token at request ${asked}`);
}
const made = () => {
    const keys = { oAuthClientId: "id", oAuthClientSecret: "secret" };
    return new PaymentsController(new Client({ clientCredentialsAuthCredentials: { ...keys, oAuthTokenProvider } }));
};
const call = async (payments) => {
    const error = await payments.refundCapturedPayment({ captureId: "1" }).catch((error) => error);
    console.log(`provider asked ${asked} times, the call fails: ${error.message}`);
};
(async () => {
    const payments = made();
    await call(payments);
    await call(payments);
    await call(made());
})();
JS
seen=$(timeout 60 node ask.cjs)
echo "$seen"
expected='provider asked 1 times, the call fails: no token at request 1
provider asked 1 times, the call fails: no token at request 1
provider asked 2 times, the call fails: no token at request 2'
[ "$seen" = "$expected" ] || { echo "this has changed" && exit 1; }
