import authorizenet from "authorizenet";

const { APIContracts, APIControllers, Constants } = authorizenet;

export const sdk = "authorizenet";
export const credentials = { name: "madeUpLogin1", transaction_key: "madeUpTransKey01" };

function merchant() {
  const authentication = new APIContracts.MerchantAuthenticationType();
  authentication.setName(credentials.name);
  authentication.setTransactionKey(credentials.transaction_key);
  return authentication;
}
function settings(pairs) {
  const list = new APIContracts.ArrayOfSetting();
  list.setSetting(
    Object.entries(pairs).map(([name, value]) => {
      const setting = new APIContracts.SettingType();
      setting.setSettingName(name);
      setting.setSettingValue(value);
      return setting;
    }),
  );
  return list;
}
const send = (controller, environment) =>
  new Promise((done) => {
    controller.setEnvironment(environment);
    controller.execute(done);
  });
const clientId = (request) => ({
  [`json /${request}/clientId`]: "the SDK names itself in the body",
});

const shown = { hostedPaymentReturnOptions: { showReceipt: false }, hostedPaymentSecurityOptions: { captcha: true } };

export const cases = {
  hosted_payment_page: {
    reference: "token_001",
    input: { amount: "20.00", settings: shown },
    differs: clientId("getHostedPaymentPageRequest"),
    theirs: () => {
      const transaction = new APIContracts.TransactionRequestType();
      transaction.setTransactionType("authCaptureTransaction");
      transaction.setAmount("20.00");
      const request = new APIContracts.GetHostedPaymentPageRequest();
      request.setMerchantAuthentication(merchant());
      request.setRefId("token_001");
      request.setTransactionRequest(transaction);
      request.setHostedPaymentSettings(settings(Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, JSON.stringify(value)]))));
      return send(new APIControllers.GetHostedPaymentPageController(request.getJSON()), Constants.endpoint.sandbox);
    },
  },
  "hosted_profile_page live": {
    mode: "live",
    reference: "token_002",
    input: { customer_profile_id: "900001", settings: { hostedProfileReturnUrl: "https://shop.example/back" } },
    differs: {
      ...clientId("getHostedProfilePageRequest"),
      url: "the SDK calls api2.authorize.net, the vendor's reference names api.authorize.net",
    },
    theirs: () => {
      const request = new APIContracts.GetHostedProfilePageRequest();
      request.setMerchantAuthentication(merchant());
      request.setRefId("token_002");
      request.setCustomerProfileId("900001");
      request.setHostedProfileSettings(settings({ hostedProfileReturnUrl: "https://shop.example/back" }));
      return send(new APIControllers.GetHostedProfilePageController(request.getJSON()), Constants.endpoint.production);
    },
  },
};
