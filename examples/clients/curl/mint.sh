#!/usr/bin/env bash
# A day pass with curl. `--retry` repeats after 503 and 429, as long as `retry-after` says; the reference stays the same, so
# a repeated call makes no second token. The credentials come from a pipe, so that `ps` does not show them.
set -euo pipefail
address=${TOKEN_SERVICE_ADDRESS:-localhost:8080}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

mint() {
    printf 'x-connector-auth: {"Stripe":{"api_key":"%s"}}\n' "$STRIPE_API_KEY" |
        curl --silent --max-time 10 --retry 3 --output "$answer" \
            -H @- -H 'content-type: application/json' \
            -d "{\"merchant_access_token_id\": \"order-$(date +%s%N)\", \"connector\": \"STRIPE\", \"test_mode\": true,
                 \"connector_feature_data\": $1}" \
            "http://$address/ucs.v2.MerchantAuthenticationService/CreateAccessToken"
    python3 - "$answer" <<'PYTHON'
import json, sys

answer = json.load(open(sys.argv[1]))
if "access_token" in answer:
    print("token: {audience}, {grant}, {lifetime_seconds} s,".format(**answer), len(answer["access_token"]), "characters")
else:  # each detail of an error is readable as `debug`
    details = {detail["type"]: detail["debug"] for detail in answer["details"]}
    faults = details.get("google.rpc.BadRequest", {}).get("fieldViolations", [])
    print("error:", answer["code"].upper(), "|", details["google.rpc.ErrorInfo"]["reason"],
          *(f"| {fault['field']}: {fault['description']}" for fault in faults))
PYTHON
}

mint '{}'
mint '{"custommer": "cus_1"}'
