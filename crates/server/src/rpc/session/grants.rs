//! Which grant answers a session call, for each connector: data. Used by `inputs` and `arms`.

use connectors::{Audience, Error, Kind as Fault, Meta};
use protocol::ucs::v2::PaymentMethodType::{self as Method, APPLE_PAY, CREDIT, DEBIT, GOOGLE_PAY, IDEAL, PAY_PAL};

use super::members::Kind;

/// How the connector is told that one payment method is wanted.
#[derive(Clone, Copy)]
pub(super) enum Methods {
    /// It cannot be told.
    Untold,
    /// The token is for these methods and no others.
    Only(&'static [Method]),
    /// By an input that is a list of names, or one name.
    Input(&'static str, &'static [(Method, &'static str)]),
}

use Methods::{Input, Only, Untold};

/// The grants of a connector that fit a call.
pub(super) struct SessionGrants {
    pub(super) connector: &'static str,
    /// The grant for an amount above zero.
    paying: &'static str,
    /// The grant otherwise.
    otherwise: &'static str,
    /// Further grants, which the feature data can name.
    further: &'static [&'static str],
    /// An input whose presence chooses another grant.
    given: Option<(&'static str, &'static str)>,
    pub(super) methods: Methods,
    /// A value of the backend without which the answer would be empty: only audience "server" gets
    /// it.
    needs_server: Option<&'static str>,
}

const fn grants(connector: &'static str, paying: &'static str, otherwise: &'static str) -> SessionGrants {
    SessionGrants { connector, paying, otherwise, further: &[], given: None, methods: Untold, needs_server: None }
}

impl SessionGrants {
    const fn or(self, further: &'static [&'static str]) -> Self {
        Self { further, ..self }
    }

    const fn methods(self, methods: Methods) -> Self {
        Self { methods, ..self }
    }

    /// The grant for a request that names none. `pays` says whether there is an amount, `given` whether
    /// the feature data have an input.
    pub(super) fn chosen(&self, pays: bool, given: impl Fn(&str) -> bool) -> &'static str {
        match self.given {
            Some((input, grant)) if given(input) => grant,
            _ if pays => self.paying,
            _ => self.otherwise,
        }
    }

    fn names(&self) -> Vec<&'static str> {
        let chosen = [self.paying, self.otherwise].into_iter().chain(self.given.map(|(_, grant)| grant));
        let mut names: Vec<_> = chosen.chain(self.further.iter().copied()).collect();
        names.dedup();
        names
    }

    /// Checks that tokens of a grant fit into the answer.
    ///
    /// # Errors
    /// They do not.
    pub(super) fn check(&self, grant: &str) -> Result<(), Error> {
        let names = self.names();
        if names.contains(&grant) {
            return Ok(());
        }
        let words = format!("this call has no place for its token; it has one for {}", names.join(", "));
        Err(Error::invalid_input("grant", words))
    }

    /// Checks that the audience gets what the answer consists of.
    ///
    /// # Errors
    /// The answer would be empty.
    pub(super) fn check_audience(&self, meta: &Meta, audience: Option<&str>) -> Result<(), Error> {
        match self.needs_server {
            Some(value) if audience != Some("server") => {
                let has_client_tokens = meta.grants.iter().any(|grant| grant.audience == Audience::Client);
                let elsewhere = if has_client_tokens { ", a client's token comes from CreateAccessToken" } else { "" };
                Err(Error::new(
                    Fault::UnsupportedGrant,
                    format!(
                        "{}: this answer has a place for the {value} only, which is for the backend: a backend asks \
                         with connector_feature_data {{\"audience\": \"server\"}}{elsewhere}",
                        meta.name
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

const CARDS: Methods = Only(&[CREDIT, DEBIT]);
const UNIFIED: &[&str] = &["unified_checkout"];

/// The connectors that have an arm in the answer for clients.
const CLIENT: &[SessionGrants] = &[
    grants("stripe", "payment_intent", "setup_intent")
        .or(&["checkout_session_setup", "customer_session", "account_session"])
        .methods(Input(
            "payment_method_types",
            &[(CREDIT, "card"), (DEBIT, "card"), (IDEAL, "ideal"), (PAY_PAL, "paypal")],
        )),
    grants("adyen", "session", "session_zero_value").methods(Input(
        "allowed_payment_methods",
        &[(CREDIT, "scheme"), (DEBIT, "scheme"), (IDEAL, "ideal"), (PAY_PAL, "paypal")],
    )),
    grants("checkout", "payment_session", "payment_session").methods(Input(
        "enabled_payment_methods",
        &[(CREDIT, "card"), (DEBIT, "card"), (IDEAL, "ideal"), (PAY_PAL, "paypal")],
    )),
    grants("cybersource", "microform_session", "microform_session").or(UNIFIED).methods(CARDS),
    grants("bankofamerica", "microform_session", "microform_session").or(UNIFIED).methods(CARDS),
    grants("wellsfargo", "microform_session", "microform_session").or(UNIFIED).methods(CARDS),
    grants("nuvei", "open_order", "session_token"),
    grants("mollie", "payment", "payment").methods(Input(
        "method",
        &[(CREDIT, "creditcard"), (DEBIT, "creditcard"), (IDEAL, "ideal"), (PAY_PAL, "paypal")],
    )),
    grants("globalpay", "restricted_token", "restricted_token").methods(CARDS),
    grants("bluesnap", "payment_fields_token", "payment_fields_token").methods(CARDS),
    grants("rapyd", "checkout_page", "card_token_page"),
    grants("shift4", "checkout_session", "checkout_session"),
    SessionGrants {
        needs_server: Some("session_id"),
        ..grants("fiserv", "security_credentials", "security_credentials").methods(CARDS)
    },
    grants("elavon", "transaction_token", "transaction_token"),
    grants("billwerk", "charge_session", "recurring_session"),
    grants("datatrans", "secure_fields", "secure_fields").or(&["registration"]),
    grants("payload", "payment_form", "payment_method_form").or(&["checkout_plugin", "checkout_page"]),
    grants("multisafepay", "api_token", "api_token"),
    grants("nexinets", "order", "order"),
    grants("nexixpay", "hpp", "hpp_verify"),
    grants("revolut", "order_token", "order_token"),
    SessionGrants {
        given: Some(("domains", "client_token")),
        ..grants("paypal", "identity_client_token", "identity_client_token").or(&["id_token"]).methods(Only(&[PAY_PAL]))
    },
    grants("braintree", "client_token", "client_token").or(&["gateway_client_token"]).methods(Only(&[PAY_PAL])),
    grants("plaid", "link_token", "link_token").or(&["session_token"]),
];

/// The connectors whose earlier answer for clients has an arm.
const EARLIER_CLIENT: [&str; 2] = ["paypal", "braintree"];

/// The connectors that begin sessions of backends.
const SERVER: &[SessionGrants] = &[
    grants("nuvei", "session_token", "session_token").or(&["open_order"]),
    grants("paytm", "txn_token", "access_token"),
    grants("authorizedotnet", "hosted_payment_page", "hosted_payment_page").or(&["hosted_profile_page"]),
    // The code of the customer's consent comes in the feature data.
    SessionGrants {
        needs_server: Some("access token"),
        ..grants("grabpay", "authorization_code", "authorization_code")
    },
];

/// Why a connector that has an arm cannot fill it.
const UNFILLED: &[(Kind, &str, &str)] = &[
    (Kind::Client, "jpmorgan", "its tokens have full API access, and the arm has ids of a transaction"),
    (Kind::Client, "paysafe", "the arm has a payment handle, which the page makes with the token of CreateAccessToken"),
    (Kind::Server, "payu", "its tokens have full API access: call CreateServerAuthenticationToken"),
];

/// The grants of a connector that fit a call.
///
/// # Errors
/// UNIMPLEMENTED with the reason.
pub(super) fn of(kind: Kind, meta: &Meta, method: Option<Method>) -> Result<&'static SessionGrants, Error> {
    let unimplemented = |why: &str| Err(Error::new(Fault::UnsupportedGrant, format!("{}: {why}", meta.name)));
    if kind != Kind::Server && method.is_some_and(|method| [APPLE_PAY, GOOGLE_PAY].contains(&method)) {
        return unimplemented("no grant gives the settings of a Google Pay or Apple Pay sheet");
    }
    if let Some((_, _, why)) = UNFILLED.iter().find(|(of, id, _)| *of == kind && *id == meta.id) {
        return unimplemented(why);
    }
    let list = if kind == Kind::Server { SERVER } else { CLIENT };
    let entry = list.iter().find(|entry| entry.connector == meta.id);
    match (entry, kind) {
        (Some(entry), Kind::Client | Kind::Server) => Ok(entry),
        (Some(entry), Kind::EarlierClient) if EARLIER_CLIENT.contains(&meta.id) => Ok(entry),
        (Some(_), Kind::EarlierClient) => {
            unimplemented("this answer has arms for wallets only: call CreateClientAuthenticationToken")
        }
        (None, Kind::Server) => unimplemented("it begins no sessions of backends: call CreateAccessToken"),
        (None, _) => unimplemented("this answer has no arm for its tokens: call CreateAccessToken"),
    }
}

#[cfg(test)]
mod tests {
    use connectors::{CONNECTORS, InputKind, find};

    use super::*;

    #[test]
    fn every_grant_exists_and_is_for_clients_unless_audience_server_is_needed() {
        for entry in CLIENT.iter().chain(SERVER) {
            let meta = find(entry.connector).unwrap().meta;
            let grant = |name: &str| meta.grants.iter().find(|grant| grant.name == name);
            for name in entry.names() {
                let grant = grant(name).unwrap_or_else(|| panic!("{} has no grant {name}", entry.connector));
                let is_fenced = grant.audience == Audience::Client || entry.needs_server.is_some();
                assert!(is_fenced, "{} {name}", entry.connector);
            }
            if let Some((input, name)) = entry.given {
                assert!(grant(name).unwrap().inputs.iter().any(|known| known.name == input), "{input}");
            }
            if let Input(input, _) = entry.methods {
                let kind = grant(entry.paying).unwrap().inputs.iter().find(|known| known.name == input).unwrap().kind;
                assert!(matches!(kind, InputKind::Texts(_) | InputKind::Text(_)), "{} {input}", entry.connector);
            }
        }
    }

    #[test]
    fn a_connector_without_an_arm_has_a_reason() {
        for kind in [Kind::Client, Kind::EarlierClient, Kind::Server] {
            for entry in CONNECTORS {
                match of(kind, entry.meta, None) {
                    Ok(grants) => assert_eq!(grants.connector, entry.meta.id),
                    Err(error) => assert_eq!(error.kind, Fault::UnsupportedGrant, "{}", entry.meta.id),
                }
            }
        }
    }
}
