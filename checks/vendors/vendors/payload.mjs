import payload from "payload-api";

export const sdk = "payload-api";
export const credentials = { auth_key_map: { USD: { api_key: "test_secret_key_madeUp0002" } } };

const session = payload.default ?? payload;
const clientToken = (intent) => {
  const pl = session.Session("test_secret_key_madeUp0002");
  return pl.create(new session.ClientToken({ intent }));
};

export const cases = {
  payment_method_form: {
    input: { payment_method: { account_id: "acct_1" } },
    theirs: () => clientToken({ payment_method_form: { payment_method: { account_id: "acct_1" } } }),
  },
  payment_form: {
    reference: "token_002",
    input: { amount: 100 },
    theirs: () => clientToken({ payment_form: { payment: { amount: 100, description: "token_002" } } }),
  },
  checkout_plugin: {
    reference: "token_003",
    input: { amount: 10.5, customer_id: "acct_1", processing_id: "acct_2" },
    theirs: () =>
      clientToken({ checkout_plugin: { amount: 10.5, description: "token_003", customer_id: "acct_1", processing_id: "acct_2" } }),
  },
};
