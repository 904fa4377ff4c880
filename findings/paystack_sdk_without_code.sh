#!/usr/bin/env bash
# npm @paystack/paystack-sdk 1.2.1 (the newest in November 2026) was published without its code: the package names
# ./dist as its entry, and no such file is in it. 1.2.0 has the code and cannot be loaded by Node: its package says
# "type": "module", and its files import folders, which modules of Node cannot. 1.0.1 loads.
# Seen with Node 20. Ends with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

loads() {
    rm -rf node_modules package.json package-lock.json
    npm install --silent --no-fund --no-audit --ignore-scripts "@paystack/paystack-sdk@$1" >/dev/null 2>&1
    node -e '
        import("@paystack/paystack-sdk").then(
            () => console.log("loads"),
            error => console.log("fails: " + (error.code ?? error.constructor.name)),
        );'
}

for version in 1.0.1 1.2.0 1.2.1; do
    seen=$(loads "$version")
    echo "@paystack/paystack-sdk $version: $seen"
    case "$version $seen" in
    "1.0.1 loads" | "1.2.0 fails"* | "1.2.1 fails"*) ;;
    *) echo "this has changed" && exit 1 ;;
    esac
done
