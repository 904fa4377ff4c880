"""PayPal's server SDK with a shared token: python3 paypal.py

`expiry` is a moment, and so is `expires_in_seconds` of the documented call. The provider may raise an exception.
"""

import concurrent.futures

from paypalserversdk.configuration import Environment
from paypalserversdk.http.auth.o_auth_2 import ClientCredentialsAuthCredentials
from paypalserversdk.models.o_auth_token import OAuthToken
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient

from server_token import SHARED, server_token

CREDENTIALS = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}


def provider(_last_token, _auth_manager):
    answer = server_token("paypal", CREDENTIALS)
    moment = int(answer["expires_in_seconds"])
    return OAuthToken(access_token=answer["access_token"], token_type=answer["token_type"], expiry=moment)


def client():
    credentials = ClientCredentialsAuthCredentials(
        # With a provider the SDK sends neither.
        o_auth_client_id=CREDENTIALS["client_id"],
        o_auth_client_secret=CREDENTIALS["client_secret"],
        o_auth_token_provider=provider if SHARED else None,
    )
    return PaypalServersdkClient(
        environment=Environment.SANDBOX, client_credentials_auth_credentials=credentials
    )


def refund(nth):
    # A client of its own, as each process of a backend has.
    return client().payments.refund_captured_payment({"capture_id": f"CAPTURE{nth}"}).status_code


with concurrent.futures.ThreadPoolExecutor(10) as pool:
    print(*pool.map(refund, range(10)))
