#!/usr/bin/env bash
# npm @airwallex/components-sdk 1.35.2: a page that imports the package preloads two scripts of live payments at once, before
# it can say init({ env: "demo" }). So a test page calls hosts of live payments. The package does so on purpose: a comment
# in it says that it knows no environment before init.
# jsdom stands for the browser; nothing is fetched.
# Ends with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts @airwallex/components-sdk@1.35.2 jsdom@26.1.0 >/dev/null 2>&1
cat >ask.cjs <<'JS'
const { JSDOM } = require("jsdom");

const { window } = new JSDOM("<!doctype html>", { url: "https://shop.example/" });
Object.assign(globalThis, { window, document: window.document });
require("@airwallex/components-sdk");
setTimeout(() => {
    for (const { rel, href } of window.document.querySelectorAll("link")) console.log(rel, href.split("?")[0]);
    process.exit();
}, 1000);
JS
seen=$(timeout 60 node ask.cjs)
echo "$seen"
expected='modulepreload https://static.airwallex.com/widgets/sdk-controller/sdk/v1/index.js
modulepreload https://checkout.airwallex.com/assets/elements.bundle.min.js'
[ "$seen" = "$expected" ] || { echo "this has changed" && exit 1; }
