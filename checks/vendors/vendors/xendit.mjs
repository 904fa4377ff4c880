import { Xendit } from "xendit-node";

export const sdk = "xendit-node";
export const credentials = { api_key: "xnd_development_madeUpXenditKey0001" };

const xendit = new Xendit({ secretKey: credentials.api_key });
const customer = {
  reference_id: "cust_1", type: "INDIVIDUAL", email: "a@example.com", individual_detail: { given_names: "John", surname: "Doe" },
};

export const cases = {
  // The SDK knows no sessions. It tells the host, the credentials, the header of sub-accounts and the form of a customer.
  components_session_save: {
    input: { currency: "idr", country: "id", origins: ["https://shop.example"], customer, for_user_id: "sub-1" },
    only: ["host", "header authorization", "header for-user-id", "header content-type"],
    theirs: () =>
      xendit.Customer.createCustomer({
        forUserId: "sub-1",
        data: { referenceId: "cust_1", type: "INDIVIDUAL", email: "a@example.com", individualDetail: { givenNames: "John", surname: "Doe" } },
      }),
  },
};
