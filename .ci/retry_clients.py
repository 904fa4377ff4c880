"""Calls with a retry policy from real gRPC clients, grpcio and grpc-js: four attempts against a connector that answers 503.

Used by .ci/run, with the executable as its only argument. The connector is a server of this script on loopback."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time

import grpc

SERVICE = "ucs.v2.MerchantAuthenticationService"
ATTEMPTS = 4
POLICY = {
    "methodConfig": [
        {
            "name": [{"service": SERVICE}],
            "retryPolicy": {
                "maxAttempts": ATTEMPTS,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.1s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
CREDENTIALS = '{"Stripe":{"api_key":"sk_test_retry"}}'
NODE = """
const grpc = require('@grpc/grpc-js');
const [address, policy, credentials] = process.argv.slice(1);
const client = new grpc.Client(address, grpc.credentials.createInsecure(), {'grpc.service_config': policy, 'grpc.enable_retries': 1});
const metadata = new grpc.Metadata();
metadata.set('x-connector', 'stripe');
metadata.set('x-connector-auth', credentials);
const same = bytes => bytes;
client.makeUnaryRequest('/%s/CreateAccessToken', same, same, Buffer.from('0a046e6f6465', 'hex'), metadata,
  {deadline: Date.now() + 30000}, error => { console.log(error ? error.code : 0); client.close(); });
""" % SERVICE


class Down(http.server.BaseHTTPRequestHandler):
    """A connector that is out of order."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main(executable):
    connector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Down)
    threading.Thread(target=connector.serve_forever, daemon=True).start()
    environment = dict(os.environ, DAYPASS_CONNECTORS__STRIPE__TEST_BASE_URL=f"http://127.0.0.1:{connector.server_port}")
    server = subprocess.Popen(
        [executable, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = []
    try:
        address = re.search(r"on (127\.0\.0\.1:\d+)", server.stderr.readline()).group(1)
        threading.Thread(target=lambda: log.extend(iter(server.stderr.readline, "")), daemon=True).start()
        options = [("grpc.service_config", json.dumps(POLICY)), ("grpc.enable_retries", 1)]
        with grpc.insecure_channel(address, options=options) as channel:
            call = channel.unary_unary(f"/{SERVICE}/CreateAccessToken")
            try:
                call(bytes.fromhex("0a0470797468"), metadata=(("x-connector", "stripe"), ("x-connector-auth", CREDENTIALS)), timeout=30)
                raise AssertionError("the call succeeded")
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        python_calls = count(log, ATTEMPTS)
        done = subprocess.run(
            ["node", "-e", NODE, "--", address, json.dumps(POLICY), CREDENTIALS], capture_output=True, text=True, timeout=60
        )
        assert done.stdout.strip() == "14", done
        node_calls = count(log, 2 * ATTEMPTS) - python_calls
        print(f"grpcio: {python_calls} attempts; grpc-js: {node_calls} attempts")
        assert (python_calls, node_calls) == (ATTEMPTS, ATTEMPTS)
    finally:
        server.terminate()
        server.wait(timeout=30)
        connector.shutdown()


def count(log, expected):
    """Waits until the log has the expected calls, and returns how many it has."""
    calls = lambda: sum('"connector":"stripe"' in line for line in list(log))
    until = time.monotonic() + 5
    while calls() < expected and time.monotonic() < until:
        time.sleep(0.05)
    return calls()


main(sys.argv[1])
