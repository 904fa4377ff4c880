import OAuthTokenClient from "razorpay/dist/oAuthTokenClient.js";

export const sdk = "razorpay";
export const credentials = { api_key: "rzp_test_madeUp00000001", api_secret: "madeUpRazorpay:Secret01" };

const client = new OAuthTokenClient();
const oauth = { client_id: "MADEUPCLIENT01", client_secret: "madeUpOauthSecret" };

// The SDK's own check wants the redirect URI and the code of the authorization code grant, so the grants for a partner's
// own account go through the method under it, which is what that check guards.
const token = (data) => client.post({ url: "/token", data });

export const cases = {
  oauth_client_credentials: {
    audience: "server",
    input: oauth,
    theirs: () => token({ ...oauth, grant_type: "client_credentials", mode: "test" }),
  },
  "oauth_client_credentials live": {
    audience: "server",
    mode: "live",
    credentials: { api_key: "rzp_live_madeUp00000001" },
    input: oauth,
    theirs: () => token({ ...oauth, grant_type: "client_credentials", mode: "live" }),
  },
  oauth_refresh_token: {
    audience: "server",
    input: { ...oauth, refresh_token: "old-refresh-made-up" },
    theirs: () => client.refreshToken({ ...oauth, grant_type: "refresh_token", refresh_token: "old-refresh-made-up" }),
  },
};
