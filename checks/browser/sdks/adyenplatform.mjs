export const name = "@adyen/adyen-platform-experience-web";
export const mint = {
  connector: "adyenplatform",
  grant: "session",
  input: {
    allowOrigin: "https://shop.example",
    product: "platform",
    policy: {
      resources: [{ accountHolderId: "AH00000000000000000000001", type: "accountHolder" }],
      roles: ["Transactions Overview Component: View"],
    },
  },
};
export const takes = {
  "AdyenPlatformExperience({ onSessionCreate }), token": "access_token",
  "AdyenPlatformExperience({ onSessionCreate }), id": "session_id",
  "AdyenPlatformExperience({ environment })": "environment",
};
// The fake has no such API: the SDK is told that the session may do nothing.
export const stubs = {
  "https://platform-components-external-test.adyen.com/platform-components-external/api/v1/setup": { endpoints: {} },
  "https://bae81f955b.cdn.adyen.com/platform-components/": {},
};

export async function handOver({ access_token, client_parameters }) {
  const { AdyenPlatformExperience, TransactionsOverview } = await import("@adyen/adyen-platform-experience-web");
  const { session_id, environment } = client_parameters;
  const onSessionCreate = async () => ({ id: session_id, token: access_token });
  const core = await AdyenPlatformExperience({ environment, onSessionCreate });
  new TransactionsOverview({ core }).mount("#pay");
}

export const expect = {
  before: [
    "GET bae81f955b.cdn.adyen.com/platform-components/v1-cdn-live/assets/translations/en-US.json",
    "GET bae81f955b.cdn.adyen.com/platform-components/v1-cdn-live/config/translations/swapConfig.json",
  ],
  first: "POST platform-components-external-test.adyen.com/platform-components-external/api/v1/setup",
  place: "header authorization: Bearer …",
};
