#!/usr/bin/env bash
# npm braintree 3.40.0 sends a GraphQL query with an absolute URL as the request target, as to a proxy, and leaves the
# port out of it: `POST http://127.0.0.1/graphql` to a server on another port. A server, a recorder or a gateway that
# routes by path sees no /graphql. Its other calls have a path (`POST /merchants/<id>/client_token`).
# Two versions go along: braintree-version 2018-09-10 and x-apiversion 6.
# Ends with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts braintree@3.40.0 >/dev/null 2>&1
cat >ask.cjs <<'JS'
const http = require("http");
const braintree = require("braintree");

const server = http.createServer((request, response) => {
    const { method, url, headers } = request;
    console.log(`${method} ${url} ${headers["braintree-version"]} ${headers["x-apiversion"]}`);
    response.setHeader("content-type", "application/json");
    response.end('{"data": {}}');
});
server.listen(0, "127.0.0.1", async () => {
    const { port } = server.address();
    const loopback = new braintree.Environment("127.0.0.1", port, "", false, "127.0.0.1", port);
    const keys = { merchantId: "merchant", publicKey: "public", privateKey: "private" };
    const gateway = new braintree.BraintreeGateway({ environment: loopback, ...keys });
    await gateway.graphQLClient.query("query { ping }");
    await gateway.clientToken.generate({}).catch(() => {});
    server.close();
});
JS
seen=$(timeout 60 node ask.cjs)
echo "$seen"
graphql=$(head -1 <<<"$seen")
other=$(tail -1 <<<"$seen")
[ "$graphql" = "POST http://127.0.0.1/graphql 2018-09-10 6" ] && [[ "$other" == "POST /merchants/merchant/client_token"* ]] ||
    { echo "this has changed" && exit 1; }
