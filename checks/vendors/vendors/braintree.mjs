import braintree from "braintree";

export const sdk = "braintree";
export const credentials = { public_key: "madeUpBraintreePublic01", private_key: "madeUpBraintreePrivate01" };
export const decoration = ["x-apiversion"];
export const differs = {
  "header braintree-version": "the SDK names 2018-09-10; ours is the first version of the vendor's guide to GraphQL, 2019-01-01",
};

const gateway = new braintree.BraintreeGateway({
  environment: braintree.Environment.Sandbox,
  merchantId: "madeUpMerchant01",
  publicKey: credentials.public_key,
  privateKey: credentials.private_key,
});

// The SDK's own client of the GraphQL API sends a query as it is given. What it proves is host, path, headers and the
// credentials; the query is from the vendor's schema.
const query = "mutation ($input: CreateClientTokenInput) { createClientToken(input: $input) { clientToken } }";

export const cases = {
  client_token: {
    reference: "token_001",
    theirs: () => gateway.graphQLClient.query(query, { input: { clientMutationId: "token_001" } }),
  },
  "client_token with everything": {
    reference: "token_002",
    input: { merchant_account_id: "example_eur", customer_id: "customer-1", domains: ["shop.example"] },
    theirs: () =>
      gateway.graphQLClient.query(query, {
        input: {
          clientMutationId: "token_002",
          clientToken: { merchantAccountId: "example_eur", customerId: "customer-1", domains: ["shop.example"] },
        },
      }),
  },
};
