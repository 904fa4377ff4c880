"""A shop's backend and page, in one file: the page gets a day pass and never the key.

    daypass serve --sandbox
    STRIPE_API_KEY=sk_test_example python3 examples/shop/shop.py        then open http://127.0.0.1:8000

The browser talks to the shop's backend, the backend to Daypass. The reference is the order's: a page that is loaded again
gets the same day pass while it lives.
"""

import http.server
import json
import os
import secrets
import sys
import urllib.error
import urllib.request

DAYPASS = f"http://{os.environ.get('TOKEN_SERVICE_ADDRESS', 'localhost:8080')}/ucs.v2.MerchantAuthenticationService/CreateAccessToken"
CREDENTIALS = json.dumps({"Stripe": {"api_key": os.environ["STRIPE_API_KEY"]}})
# What the page needs: the token and its public neighbours. The rest of the answer stays here.
FOR_THE_PAGE = ("access_token", "token_type", "client_parameters", "lifetime_seconds")

PAGE = b"""<!doctype html>
<meta charset="utf-8">
<title>Shop</title>
<h1>Order 1042</h1>
<p id="state">Asking for a day pass...</p>
<script type="module">
  // A real page hands the token to the vendor's SDK here: stripe.createEmbeddedCheckoutPage({ clientSecret: pass.access_token }).
  const answer = await fetch('/day-pass', { method: 'POST' })
  const pass = await answer.json()
  document.querySelector('#state').textContent = answer.ok
    ? `Ready to pay: a ${pass.token_type} for ${pass.lifetime_seconds} s.`
    : `Payment is not possible now. ${pass.message}`
</script>
"""


def day_pass(order):
    """The HTTP status for the page, and what it gets."""
    request = urllib.request.Request(
        DAYPASS,
        json.dumps({"merchant_access_token_id": order, "connector": "STRIPE", "test_mode": True}).encode(),
        {"content-type": "application/json", "x-connector-auth": CREDENTIALS},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        print("no day pass:", json.load(error).get("message"), file=sys.stderr)
        return 503, {"message": "Please try again later."}
    except OSError as error:
        print("no day pass:", error, file=sys.stderr)
        return 503, {"message": "Please try again later."}
    if answer["status"] != "SUCCESS":
        print("refused:", answer["error"], file=sys.stderr)
        return 502, {"message": "Please choose another way to pay."}
    return 200, {name: answer[name] for name in FOR_THE_PAGE if name in answer}


class Shop(http.server.BaseHTTPRequestHandler):
    # A real shop takes the order from the visitor's session.
    order = f"order-1042-{secrets.token_hex(4)}"

    def do_GET(self):
        if self.path == "/":
            self.reply(200, "text/html", PAGE)
        else:
            self.reply(404, "text/plain", b"no such page\n")

    def do_POST(self):
        # Another site's page must not make day passes with this visitor's session.
        if self.path != "/day-pass" or self.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            self.reply(403, "application/json", b"{}")
            return
        status, answer = day_pass(self.order)
        self.reply(status, "application/json", json.dumps(answer).encode())

    def reply(self, status, content_type, body):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("SHOP_PORT", "8000"))), Shop)
    print(f"the shop is at http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
