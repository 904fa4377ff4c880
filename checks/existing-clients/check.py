"""The published client of this API against `daypass serve --sandbox`: its generated messages over gRPC, unchanged.

    pip install --no-deps --only-binary=:all: --platform manylinux_2_39_x86_64 --target FOLDER -r requirements.txt
    check.py <daypass> FOLDER

Used by .ci/run. It needs grpcio and protobuf. The package's own code is not run, because it loads a native library.
"""

import importlib
import json
import re
import subprocess
import sys
import threading
import types
import urllib.request

import grpc
from google.protobuf import unknown_fields

SERVICE = "types.MerchantAuthenticationService"
PREFIX = "MerchantAuthenticationService"
# Answers of ours that the client has no field for.
OWN_FIELDS = range(100, 200)
OWN_FIELDS_OF_SERVER_TOKENS = range(16, 23)
DAY = 24 * 60 * 60


def messages(folder):
    """The generated modules of messages, without the packages around them."""
    for name, path in [("payments", "payments"), ("payments.generated", "payments/generated")]:
        package = types.ModuleType(name)
        package.__path__ = [f"{folder}/{path}"]
        sys.modules[name] = package
    return [importlib.import_module(f"payments.generated.{name}") for name in ["payment_pb2", "payment_methods_pb2"]]


class Client:
    """The calls as the client makes them: its messages, its paths, credentials in request metadata."""

    def __init__(self, address, pb, methods_pb, credentials):
        self.channel = grpc.insecure_channel(address)
        self.pb = pb
        self.secret = lambda value: methods_pb.SecretString(value=value)
        self.credentials = credentials

    def call(self, method, request, connector, more=None, form="auth"):
        fields = {**self.credentials[connector], **(more or {})}
        named = {connector.capitalize(): fields}
        header = ("x-connector-auth", json.dumps(named)) if form == "auth" else ("x-connector-config", json.dumps({"config": named}))
        response = getattr(self.pb, f"{PREFIX}{method}Response")
        send = self.channel.unary_unary(
            f"/{SERVICE}/{method}", request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
        )
        metadata = (("x-connector", connector), header, ("x-merchant-id", "shop"), ("x-tenant-id", "public"), ("x-lineage-ids", "a=b"))
        return send(request, metadata=metadata, timeout=20)

    def request(self, method, **members):
        return getattr(self.pb, f"{PREFIX}{method}Request")(**members)


def unknown_numbers(message, own):
    numbers = {field.field_number for field in unknown_fields.UnknownFieldSet(message)}
    assert numbers <= set(own), f"the client would lose fields {numbers - set(own)}"
    return numbers


def server_tokens(client):
    """An empty request gets a token; its lifetime is a duration, as the router's cache reads it."""
    method = "CreateServerAuthenticationToken"
    for connector in ["paypal", "airwallex", "truelayer"]:
        for form in ["auth", "config"]:
            answer = client.call(method, client.request(method), connector, form=form)
            assert answer.status_code in (200, 201) and not answer.HasField("error"), answer.status_code
            assert answer.access_token.value and answer.token_type, connector
            assert 0 < answer.expires_in_seconds <= DAY, f"{connector}: {answer.expires_in_seconds} is no duration"
            assert not answer.merchant_access_token_id, "nothing is echoed"
            unknown_numbers(answer, OWN_FIELDS_OF_SERVER_TOKENS)
    answer = client.call(method, client.request(method, merchant_access_token_id="t-1", merchant_request_id="r-1"), "paypal")
    assert answer.merchant_access_token_id == "t-1"


def payment(client, connector, **members):
    pb = client.pb
    context = pb.PaymentClientAuthenticationContext(
        amount=pb.Money(minor_amount=1000, currency=pb.USD), return_url="https://shop.example/back", country_alpha2_code=1, **members
    )
    return client.request(METHOD, merchant_client_session_id=f"s-{connector}", test_mode=True, payment=context)


METHOD = "CreateClientAuthenticationToken"


def named_arms(client):
    """The arms of the connectors that the client's users have most."""
    pb = client.pb
    arm = lambda answer: getattr(answer.session_data.connector_specific, answer.session_data.connector_specific.WhichOneof("connector"))
    for connector, members in {
        "stripe": ["client_secret"],
        "adyen": ["session_id", "session_data"],
        "cybersource": ["capture_context", "client_library", "client_library_integrity"],
    }.items():
        answer = client.call(METHOD, payment(client, connector), connector, form="config")
        assert answer.session_data.connector_specific.WhichOneof("connector") == connector
        filled = [field.name for field, _ in arm(answer).ListFields()]
        assert filled == members, f"{connector}: {filled}"
        # Answers of our own are beyond the numbers that the client knows.
        assert {100, 101, 106, 107} <= unknown_numbers(answer, OWN_FIELDS), connector

    paypal = client.call(METHOD, payment(client, "paypal", payment_method_type=pb.PAY_PAL), "paypal").session_data.paypal
    assert paypal.connector == "paypal" and paypal.session_token and paypal.client_token
    assert paypal.transaction_info.total_price == 1000 and paypal.transaction_info.currency_code == pb.USD

    optional = {"paypal_client_id": "paypal-app", "merchant_config_currency": "USD", "merchant_account_id": None}
    request = payment(client, "braintree", payment_method_type=pb.PAY_PAL)
    paypal = client.call(METHOD, request, "braintree", optional).session_data.paypal
    assert (paypal.connector, paypal.session_token) == ("braintree", "paypal-app") and paypal.client_token
    assert paypal.sdk_next_action == pb.SDK_NEXT_ACTION_CONFIRM

    link = pb.AuthenticatorClientAuthenticationContext(country_codes=[1], locale="en-US", customer=pb.Customer(id="shop-1"))
    data = client.secret(json.dumps({"products": ["auth"]}))
    request = client.request(METHOD, merchant_client_session_id="s-plaid", authenticator=link, connector_feature_data=data, test_mode=True)
    answer = client.call(METHOD, request, "plaid", {"client_name": "Shop"})
    plaid = answer.session_data.authenticator_connector_specific.plaid
    assert plaid.link_token.value and 0 < plaid.expires_in_seconds <= DAY


# Connectors of the client's arms whose name differs from the arm's.
CONNECTOR_OF_ARM = {"bank_of_america": "bankofamerica"}
# What these grants need besides, and existing clients send for them.
CUSTOMERS = {"billwerk"}


def every_arm(client):
    """Each arm of the client's answer is filled for its connector, or the call says why not."""
    filled, refused = [], {}
    for arm in client.pb.ConnectorSpecificClientAuthenticationResponse.DESCRIPTOR.oneofs_by_name["connector"].fields:
        connector = CONNECTOR_OF_ARM.get(arm.name, arm.name)
        customer = client.pb.Customer(connector_customer_id="cus_1") if connector in CUSTOMERS else None
        client.credentials.setdefault(connector, {"api_key": "none"})
        try:
            answer = client.call(METHOD, payment(client, f"{connector}-all", customer=customer), connector)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED, f"{connector}: {error.code()} {error.details()}"
            refused[connector] = error.details()
            continue
        data = answer.session_data.connector_specific
        assert data.WhichOneof("connector") == arm.name, f"{connector}: {answer.session_data}"
        assert getattr(data, arm.name).ListFields(), f"{connector}: an empty arm"
        assert unknown_numbers(data, []) == unknown_numbers(getattr(data, arm.name), []) == set()
        filled.append(connector)
    assert len(filled) == 20 and all(len(why) > 20 for why in refused.values()), (filled, refused)
    return filled, refused


def values_of_the_backend(client):
    """Values that the payer must not see are empty, unless a backend asks for them."""
    request = payment(client, "nexixpay")
    assert not client.call(METHOD, request, "nexixpay").session_data.connector_specific.nexixpay.HasField("security_token")
    request.merchant_client_session_id = "s-nexixpay-server"
    request.connector_feature_data.value = '{"audience": "server"}'
    nexixpay = client.call(METHOD, request, "nexixpay").session_data.connector_specific.nexixpay
    assert nexixpay.security_token.value and nexixpay.hosted_page


def sessions_of_backends(client):
    method = "CreateServerSessionAuthenticationToken"
    pb = client.pb
    context = pb.PaymentSessionContext(
        amount=pb.Money(minor_amount=1000, currency=pb.EUR),
        browser_info=pb.BrowserInformation(user_agent="Mozilla/5.0", ip_address="192.0.2.1"),
        customer=pb.Customer(id="shop-1", email=client.secret("a@b.example"), phone_number=client.secret("+49301234")),
        address=pb.PaymentAddress(billing_address=pb.Address(city=client.secret("Berlin"))),
    )
    state = pb.ConnectorState(access_token=pb.AccessToken(token=client.secret("unused"), expires_in_seconds=60))
    for connector in ["nuvei", "authorizedotnet"]:
        request = client.request(method, merchant_server_session_id="b-1", payment=context, state=state, test_mode=True)
        answer = client.call(method, request, connector)
        assert answer.session_token and answer.status_code == 200 and not answer.HasField("error"), connector
    code = {"code": "check-code", "code_verifier": "a" * 43, "redirect_uri": "https://shop.example/back", "audience": "server"}
    data = client.secret(json.dumps(code))
    answer = client.call(method, client.request(method, payment=context, connector_feature_data=data, test_mode=True), "grabpay")
    assert answer.session_token and answer.status_code == 200


def refusals(client):
    """A connector's refusal is an answer, which the client reads as one."""
    answer = client.call(METHOD, payment(client, "refused"), "stripe", {"api_key": "sk_test_revoked"})
    assert answer.status_code == 401 and answer.error.unified_details.code == "CREDENTIALS_REJECTED"
    assert not answer.HasField("session_data")


def main(executable, folder):
    pb, methods_pb = messages(folder)
    server = subprocess.Popen(
        [executable, "serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"on (127\.0\.0\.1:\d+)", server.stderr.readline()).group(1)
        threading.Thread(target=lambda: [None for _ in server.stderr], daemon=True).start()
        with urllib.request.urlopen(f"http://{address}/playground/connectors.json", timeout=10) as list_of:
            connectors = json.load(list_of)["connectors"]
        client = Client(address, pb, methods_pb, {row["connector"]: row["sandbox_credentials"] for row in connectors})
        server_tokens(client)
        named_arms(client)
        filled, refused = every_arm(client)
        values_of_the_backend(client)
        sessions_of_backends(client)
        refusals(client)
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0, "the server did not stop cleanly"
    print(f"hyperswitch-prism: server tokens of 3 connectors, wallets and links, {len(filled)} arms decoded, {len(refused)} with a reason:")
    for connector, why in refused.items():
        print(f"  {connector}: {why}")


main(*sys.argv[1:])
