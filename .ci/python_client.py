"""Calls `daypass serve --sandbox` from Python stubs generated from proto/, as a stranger's client would."""

import os
import re
import subprocess
import sys
import tempfile

from grpc_tools import protoc


def main(executable: str) -> None:
    stubs = tempfile.mkdtemp()
    files = [
        os.path.join(folder, name)
        for folder, _, names in os.walk("proto")
        for name in names
        if name.endswith(".proto")
    ]
    include = os.path.join(os.path.dirname(protoc.__file__), "_proto")
    done = protoc.main(["protoc", "-Iproto", f"-I{include}", f"--python_out={stubs}", f"--grpc_python_out={stubs}", *files])
    assert done == 0, "the stubs could not be generated"
    sys.path.insert(0, stubs)
    import grpc
    from google.protobuf.wrappers_pb2 import StringValue
    from ucs.v2 import connector_pb2, merchant_authentication_pb2 as messages
    from ucs.v2 import merchant_authentication_pb2_grpc as services

    server = subprocess.Popen(
        [executable, "serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"on (127\.0\.0\.1:\d+)", server.stderr.readline()).group(1)
        channel = grpc.insecure_channel(address)
        request = messages.MerchantAuthenticationServiceCreateAccessTokenRequest(
            merchant_access_token_id="token_001", connector=connector_pb2.STRIPE, test_mode=True
        )
        stripe = (("x-connector", "stripe"), ("x-connector-auth", '{"Stripe":{"api_key":"sk_test_python"}}'))
        answer = services.MerchantAuthenticationServiceStub(channel).CreateAccessToken(request, metadata=stripe, timeout=10)
        assert answer.status == messages.SUCCESS and answer.audience == messages.CLIENT, answer.status
        assert answer.access_token.value and answer.expires_in_seconds and answer.merchant_access_token_id == "token_001"

        request = messages.MerchantAuthenticationServiceCreateAccessTokenRequest(
            merchant_access_token_id="token_002",
            test_mode=True,
            connector_feature_data=StringValue(value='{"audience":"server"}'),
        )
        paypal = (("x-connector", "paypal"), ("x-connector-auth", '{"Paypal":{"client_id":"id","client_secret":"secret-python"}}'))
        # Its stub cannot be imported beside Python's own module `types`; the path is what counts.
        create_server_token = channel.unary_unary(
            "/types.MerchantAuthenticationService/CreateServerAuthenticationToken",
            request_serializer=messages.MerchantAuthenticationServiceCreateAccessTokenRequest.SerializeToString,
            response_deserializer=messages.MerchantAuthenticationServiceCreateAccessTokenResponse.FromString,
        )
        answer = create_server_token(request, metadata=paypal, timeout=10)
        assert answer.status == messages.SUCCESS and answer.audience == messages.SERVER, answer.status

        try:
            services.MerchantAuthenticationServiceStub(channel).CreateAccessToken(request, timeout=10)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error.code()
        else:
            raise AssertionError("a call without connector and credentials succeeded")
        print("python: CreateAccessToken, CreateServerAuthenticationToken and a refusal, all as documented")
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0, "the server did not stop cleanly"


main(sys.argv[1])
