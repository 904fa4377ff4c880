"""Checkout.com's SDK with a shared token: python3 checkout.py

The SDK asks its credentials before every call, so credentials of one's own always have the current token.
"""

import concurrent.futures

from checkout_sdk.checkout_api import CheckoutApi
from checkout_sdk.checkout_configuration import CheckoutConfiguration
from checkout_sdk.checkout_sdk import CheckoutSdk
from checkout_sdk.default_http_client import DefaultHttpClientBuilder
from checkout_sdk.environment import Environment
from checkout_sdk.environment_subdomain import EnvironmentSubdomain
from checkout_sdk.exception import CheckoutAuthorizationException
from checkout_sdk.oauth_scopes import OAuthScopes
from checkout_sdk.platform_type import PlatformType
from checkout_sdk.sdk_authorization import SdkAuthorization
from checkout_sdk.sdk_credentials import SdkCredentials

from server_token import SHARED, server_token

CREDENTIALS = {"api_key": "pk_sbox_sandbox", "api_secret": "sk_sbox_sandbox"}
OAUTH = {"client_id": "ack_sandbox", "client_secret": "sandbox-secret"}
SUBDOMAIN = "sandbox1"
SCOPES = ["gateway"]


class SharedToken(SdkCredentials):
    def get_authorization(self, authorization_type):
        if not authorization_type.name.endswith("OAUTH"):
            # Some calls, such as those of payment sessions, take keys only.
            raise CheckoutAuthorizationException.invalid_authorization(authorization_type)
        answer = server_token(
            "checkout", CREDENTIALS, grant="oauth_client_credentials", scopes=SCOPES, url_prefix=SUBDOMAIN, **OAUTH
        )
        return SdkAuthorization(PlatformType.OAUTH, answer["access_token"])


def shared():
    environment = Environment.sandbox()
    subdomain = EnvironmentSubdomain(environment, SUBDOMAIN)
    session = DefaultHttpClientBuilder().get_client()
    return CheckoutApi(CheckoutConfiguration(SharedToken(), environment, session, subdomain))


def alone():
    builder = CheckoutSdk.builder().oauth().client_credentials(OAUTH["client_id"], OAUTH["client_secret"])
    scopes = [OAuthScopes.GATEWAY]
    return builder.environment(Environment.sandbox()).environment_subdomain(SUBDOMAIN).scopes(scopes).build()


api = shared() if SHARED else alone()


def refund(nth):
    return api.payments.refund_payment(f"pay_{nth}").action_id


with concurrent.futures.ThreadPoolExecutor(10) as pool:
    print(*pool.map(refund, range(10)))
