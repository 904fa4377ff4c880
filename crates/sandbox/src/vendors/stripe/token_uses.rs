//! The calls of clients with the tokens of Stripe's grants.

use crate::token_use::{ClientCall, ClientToken, TokenUse};

pub(super) const TOKEN_USES: &[TokenUse] = &[
    TokenUse {
        grant: "checkout_session_setup",
        allowed: |client| {
            let path = format!("/stripe/v1/payment_pages/{}/confirm", before_secret(&client.token));
            page("save a card in the embedded form", path).form(&with_card(client))
        },
        forbidden: refund,
    },
    TokenUse {
        grant: "ephemeral_key",
        allowed: |client| customer("read its own customer", client.starting("cus_")).bearer(&client.token),
        forbidden: |client| customer("read another customer", "cus_SomebodyElse").bearer(&client.token),
    },
    TokenUse {
        grant: "customer_session",
        allowed: |client| {
            let path = format!("/stripe/v1/elements/sessions?customer_session_client_secret={}", client.token);
            ClientCall { method: "GET", ..page("list the customer's saved cards", path) }
        },
        forbidden: refund,
    },
    TokenUse {
        grant: "account_session",
        allowed: |client| {
            page("open the account's payments in a page", "/stripe/v1/account_sessions/claim".to_owned())
                .form(&[("client_secret", &client.token)])
        },
        forbidden: refund,
    },
    TokenUse {
        grant: "setup_intent",
        allowed: |client| {
            let path = format!("/stripe/v1/setup_intents/{}/confirm", before_secret(&client.token));
            page("confirm the setup", path).form(&with_card(client))
        },
        forbidden: refund,
    },
    TokenUse {
        grant: "payment_intent",
        allowed: |client| {
            let path = format!("/stripe/v1/payment_intents/{}/confirm", before_secret(&client.token));
            page("pay that intent", path).form(&with_card(client))
        },
        forbidden: refund,
    },
    TokenUse {
        grant: "terminal_connection_token",
        allowed: |client| {
            ClientCall::new("connect a card reader", "POST", "/stripe/v1/terminal/sessions").bearer(&client.token)
        },
        forbidden: refund,
    },
];

/// The secret, and the card as the form sends it (`payment_method_data` of the API reference).
fn with_card(client: &ClientToken) -> [(&'static str, &str); 6] {
    [
        ("client_secret", client.token.as_str()),
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][number]", "4242424242424242"),
        ("payment_method_data[card][exp_month]", "12"),
        ("payment_method_data[card][exp_year]", "2030"),
        ("payment_method_data[card][cvc]", "123"),
    ]
}

fn page(title: &'static str, path: String) -> ClientCall {
    ClientCall::new(title, "POST", path).bearer("pk_test_sandbox")
}

fn customer(title: &'static str, id: &str) -> ClientCall {
    ClientCall::new(title, "GET", format!("/stripe/v1/customers/{id}"))
}

fn refund(client: &ClientToken) -> ClientCall {
    let call = ClientCall::new("refund a payment", "POST", "/stripe/v1/refunds").bearer(&client.token);
    call.form(&[("payment_intent", "pi_SomePayment")])
}

fn before_secret(token: &str) -> &str {
    token.split("_secret_").next().unwrap_or(token)
}
