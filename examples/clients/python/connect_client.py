"""A day pass with the official connectrpc library for Python.

Stubs: as for grpc_client.py; this library needs the messages only. It has no retry policy: the few lines of `mint` are one.
"""

import json
import os
import time
import uuid

from connectrpc.client import ConnectClientSync
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from ucs.v2 import connector_pb2, merchant_authentication_pb2 as messages

ADDRESS = os.environ.get("TOKEN_SERVICE_ADDRESS", "localhost:8080")
CREDENTIALS = {"x-connector-auth": json.dumps({"Stripe": {"api_key": os.environ["STRIPE_API_KEY"]}})}
CREATE = MethodInfo(
    name="CreateAccessToken",
    service_name="ucs.v2.MerchantAuthenticationService",
    input=messages.MerchantAuthenticationServiceCreateAccessTokenRequest,
    output=messages.MerchantAuthenticationServiceCreateAccessTokenResponse,
    idempotency_level=IdempotencyLevel.UNKNOWN,
    stream_type=StreamType.UNARY,
)
ATTEMPTS = 4


def explain(error: ConnectError) -> str:
    words = [error.code.name]
    for detail in error.details:
        if detail.type_name == "google.rpc.ErrorInfo":
            info = ErrorInfo.FromString(detail.message_bytes)
            words += [info.reason, info.metadata["guidance"]]
        elif detail.type_name == "google.rpc.BadRequest":
            words += [f"{fault.field}: {fault.description}" for fault in BadRequest.FromString(detail.message_bytes).field_violations]
    return " | ".join(words)


def mint(client: ConnectClientSync, feature_data: dict) -> None:
    request = messages.MerchantAuthenticationServiceCreateAccessTokenRequest(
        merchant_access_token_id=f"order-{uuid.uuid4()}",
        connector=connector_pb2.STRIPE,
        connector_feature_data=StringValue(value=json.dumps(feature_data)),
        test_mode=True,
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = client.execute_unary(request=request, method=CREATE, headers=CREDENTIALS, timeout_ms=10_000)
            break
        except ConnectError as error:
            if error.code != Code.UNAVAILABLE or attempt == ATTEMPTS:
                print("error:", explain(error))
                return
            time.sleep(0.1 * 2**attempt)
    audience = messages.TokenAudience.Name(answer.audience)
    print(f"token: {audience}, {answer.grant}, {answer.lifetime_seconds} s, {len(answer.access_token.value)} characters")


with ConnectClientSync(f"http://{ADDRESS}", codec=google_protobuf_binary_codec()) as client:
    mint(client, {})
    mint(client, {"custommer": "cus_1"})
