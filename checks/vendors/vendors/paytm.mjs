import paytm from "paytm-pg-node-sdk";
import PaytmChecksum from "paytmchecksum";

export const sdk = "paytm-pg-node-sdk";
export const credentials = { merchant_id: "MADEUP00000000000001", merchant_key: "madeUpPaytmKey01", website: "WEBSTAGING" };
export const decoration = ["x-request-id"];

/** Our signature of the body, by the vendor's own check. It has a random salt, so it never equals another one. */
const signedAs = (member) => ([{ body }]) => {
  const text = /"body":(\{.*\}),"head":/.exec(body)[1];
  const signature = JSON.parse(body).head[member];
  return PaytmChecksum.verifySignature(text, credentials.merchant_key, signature) ? [] : ["Paytm's check refuses the signature"];
};

export const cases = {
  txn_token: {
    reference: "order_001",
    input: { amount: "1.00", currency: "inr", cust_id: "CUST_1", callback_url: "https://shop.example/paid" },
    verify: signedAs("signature"),
    differs: {
      "json /head/signature": "a random salt is in it",
      "json /head/requestTimestamp": "optional",
      "json /head/version": "the SDK says v2, the vendor's pages v1"
    },
    theirs: () => {
      const { MerchantProperties, EChannelId, EnumCurrency, Money, UserInfo, PaymentDetailBuilder, Payment } = paytm;
      MerchantProperties.initialize("STAGING", credentials.merchant_id, credentials.merchant_key, credentials.website);
      MerchantProperties.setCallbackUrl("https://shop.example/paid");
      const amount = Money.constructWithCurrencyAndValue(EnumCurrency.INR, "1.00");
      const detail = new PaymentDetailBuilder(EChannelId.WEB, "order_001", amount, new UserInfo("CUST_1")).build();
      return Payment.createTxnToken(detail);
    },
  },
  access_token: {
    reference: "reference-0001",
    verifyOnly: true,
    verify: signedAs("token"),
  },
};
