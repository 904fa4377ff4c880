"""A day pass over gRPC with grpcio: deadline, retries, and errors that are read.

Stubs: python -m grpc_tools.protoc -I proto --python_out=stubs --grpc_python_out=stubs proto/ucs/v2/*.proto
"""

import json
import os
import pathlib
import uuid

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from ucs.v2 import connector_pb2, merchant_authentication_pb2 as messages, merchant_authentication_pb2_grpc as services

ADDRESS = os.environ.get("TOKEN_SERVICE_ADDRESS", "localhost:8080")
CREDENTIALS = (("x-connector-auth", json.dumps({"Stripe": {"api_key": os.environ["STRIPE_API_KEY"]}})),)
SERVICE_CONFIG = (pathlib.Path(__file__).parents[1] / "service_config.json").read_text()


def explain(error: grpc.RpcError) -> str:
    """The code, the reason, what to do next, and each field at fault (google.rpc, AIP-193)."""
    words = [error.code().name]
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info, fields = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            words += [info.reason, info.metadata["guidance"]]
        elif detail.Unpack(fields):
            words += [f"{fault.field}: {fault.description}" for fault in fields.field_violations]
    return " | ".join(words)


def mint(service: services.MerchantAuthenticationServiceStub, feature_data: dict) -> None:
    request = messages.MerchantAuthenticationServiceCreateAccessTokenRequest(
        merchant_access_token_id=f"order-{uuid.uuid4()}",
        connector=connector_pb2.STRIPE,
        connector_feature_data=StringValue(value=json.dumps(feature_data)),
        test_mode=True,
    )
    try:
        answer = service.CreateAccessToken(request, metadata=CREDENTIALS, timeout=10)
    except grpc.RpcError as error:
        print("error:", explain(error))
        return
    if answer.status == messages.SUCCESS:
        audience = messages.TokenAudience.Name(answer.audience)
        print(f"token: {audience}, {answer.grant}, {answer.lifetime_seconds} s, {len(answer.access_token.value)} characters")
    else:
        details = answer.error
        print("refused:", messages.OperationStatus.Name(answer.status), answer.status_code, "|",
              details.connector_details.message, "|", details.unified_details.user_guidance_message)


with grpc.insecure_channel(ADDRESS, options=[("grpc.service_config", SERVICE_CONFIG)]) as channel:
    stub = services.MerchantAuthenticationServiceStub(channel)
    mint(stub, {})
    mint(stub, {"custommer": "cus_1"})
