"""A day pass over plain JSON, with Python's own library: python3 mint.py"""

import json
import os
import urllib.request
import uuid

request = urllib.request.Request(
    os.environ.get("TOKEN_SERVICE_URL", "http://localhost:8080") + "/ucs.v2.MerchantAuthenticationService/CreateAccessToken",
    json.dumps({"merchant_access_token_id": f"order-{uuid.uuid4()}", "connector": "STRIPE", "test_mode": True}).encode(),
    {
        "content-type": "application/json",
        "x-connector-auth": json.dumps({"Stripe": {"api_key": os.environ["STRIPE_API_KEY"]}}),
    },
)
with urllib.request.urlopen(request, timeout=10) as answer:
    day_pass = json.load(answer)
print(day_pass["status"], day_pass.get("audience"), day_pass.get("access_token"))
