"""The SERVER token that a service's backends share, from Daypass.

The other programs of this folder hand it to an SDK.
"""

import json
import os
import urllib.error
import urllib.request
import uuid

DAYPASS = os.environ.get("TOKEN_SERVICE_ADDRESS")
# Whether the SDK gets its tokens from Daypass. Without an address it asks the vendor itself, for comparison.
SHARED = DAYPASS is not None
PATH = "ucs.v2.MerchantAuthenticationService/CreateAccessToken"


def server_token(connector, credentials, fresh=False, **feature):
    """A token of audience SERVER. `fresh` asks for a new one: after the vendor's 401, and only then."""
    request = urllib.request.Request(
        f"http://{DAYPASS}/{PATH}",
        json.dumps(
            {
                # Equal requests share one token. The reference is this caller's name for it.
                "merchant_access_token_id": f"backend-{connector}-{uuid.uuid4()}",
                "connector": connector.upper(),
                "test_mode": True,
                "connector_feature_data": json.dumps({"audience": "server", **feature}),
            }
        ).encode(),
        {
            "content-type": "application/json",
            "x-connector-auth": json.dumps({connector.capitalize(): credentials}),
            **({"cache-control": "no-cache"} if fresh else {}),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error).get("message")) from None
    if answer["status"] != "SUCCESS":
        raise RuntimeError(answer["error"]["unified_details"]["message"])
    return answer
