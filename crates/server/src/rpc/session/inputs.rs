//! From the members of a session request to the inputs of its grant. Used by `rpc`.
//!
//! A member that a grant cannot take is an error where it would make the token narrower, or where it
//! tells the connector what to do: the customer, the method, the permissions, a webhook. The amount
//! is no error there, because existing clients always send it. Members that only describe the
//! payment are passed on where the grant has an input for them.

use connectors::{Error, Grant, InputKind, Meta, Scopes, currency_decimals};
use daypass::{Availability, availability, canonical_id};
use serde_json::{Map, Value, json};

use super::{
    grants::{self, Methods, SessionGrants},
    members::Members,
};

/// A session request in the terms of the engine.
pub(in crate::rpc) struct Mapped {
    /// `connector_feature_data`, or `None` where the engine has to say what is wrong with the request.
    pub(in crate::rpc) feature_data: Option<String>,
    /// The members that stand for inputs: `(input, member)`.
    stands_for: Vec<(&'static str, String)>,
    reference_name: &'static str,
}

impl Mapped {
    /// An error of the engine in the words of this request.
    pub(in crate::rpc) fn in_own_words(&self, mut error: Error) -> Error {
        let mut rename = |name: &str, member: &str| {
            let mut found = false;
            for fault in error.fields.iter_mut().filter(|fault| fault.field == name) {
                fault.field = member.to_owned();
                found = true;
            }
            if found || name == REFERENCE {
                error.message = error.message.replace(name, member).into();
            }
        };
        rename(REFERENCE, self.reference_name);
        for (input, member) in &self.stands_for {
            rename(&format!("connector_feature_data.{input}"), member);
        }
        error
    }
}

/// The name of the reference in the errors of the engine.
const REFERENCE: &str = "merchant_access_token_id";

/// Names of inputs for one member: the first one that the grant has takes it.
const AMOUNT: &[&str] = &["amount", "ssl_amount"];
const COUNTRY: &[&str] = &["country", "country_code", "billing"];
const CUSTOMER: &[&str] = &["customer_id", "customer", "customer_handle", "shopper_id", "customer_profile_id"];
const SHOP_CUSTOMER: &[&str] = &["shopper_reference", "user_token_id", "cust_id", "user"];
const EMAIL: &[&str] = &["email"];
const RETURN_URL: &[&str] =
    &["return_url", "redirect_url", "redirect_uri", "complete_url", "accept_url", "success_url", "callback_url"];
const WEBHOOK_URL: &[&str] = &["webhook_url", "webhook", "notification_url"];
const LOCALE: &[&str] = &["locale", "language"];

/// The request in the terms of the engine. `connector` is the name that the request gives,
/// `feature_data` the JSON text of the same name.
///
/// # Errors
/// The connector has no answer to this call, or members do not fit to its grant.
pub(in crate::rpc) fn map(
    members: &Members,
    connector: Option<&str>,
    feature_data: Option<&str>,
    reference: &str,
) -> Result<Mapped, Error> {
    let unmapped = |feature_data: Option<&str>| Mapped {
        feature_data: feature_data.map(str::to_owned),
        stands_for: Vec::new(),
        reference_name: members.reference_name,
    };
    // The engine has the words for connectors and JSON that cannot be read.
    let Some(Availability::Available(registration)) = connector.map(|name| availability(&canonical_id(name))) else {
        return Ok(unmapped(feature_data));
    };
    let given = match feature_data.filter(|text| !text.is_empty()) {
        None => Map::new(),
        Some(text) => match serde_json::from_str(text) {
            Ok(given) => given,
            Err(_) => return Ok(unmapped(feature_data)),
        },
    };
    let meta: &'static Meta = registration.meta;
    let method = members.method()?;
    let fitting = grants::of(members.kind, meta, method)?;
    fitting.check_audience(meta, given.get("audience").and_then(Value::as_str))?;
    let pays = members.minor_amount()? > 0 || AMOUNT.iter().any(|name| given.contains_key(*name));
    let chosen = fitting.chosen(pays, |input| given.contains_key(input));
    let name = given.get("grant").and_then(Value::as_str).unwrap_or(chosen).to_owned();
    let Some(grant) = meta.grants.iter().find(|grant| grant.name == name) else {
        return Ok(unmapped(feature_data));
    };
    fitting.check(grant.name)?;
    let mut inputs = Inputs { grant, members, given, stands_for: Vec::new(), faults: Vec::new() };
    inputs.given.entry("grant").or_insert_with(|| grant.name.into());
    inputs.amount()?;
    inputs.payer()?;
    inputs.places()?;
    inputs.method(fitting)?;
    inputs.permissions();
    inputs.own_needs(meta.id, reference);
    inputs.done(meta)
}

struct Inputs<'a> {
    grant: &'static Grant,
    members: &'a Members,
    /// The feature data so far.
    given: Map<String, Value>,
    stands_for: Vec<(&'static str, String)>,
    faults: Vec<(String, &'static str)>,
}

/// What becomes of a member that the grant has no input for.
#[derive(Clone, Copy, PartialEq)]
enum Otherwise {
    /// It describes the payment only.
    Ignored,
    /// It would bound the token, or tell the connector what to do.
    Refused,
}

use Otherwise::{Ignored, Refused};

impl Inputs<'_> {
    /// The input that takes a member, with the form of its value.
    fn input(&self, names: &[&str]) -> Option<(&'static str, InputKind)> {
        let find = |name: &&str| self.grant.inputs.iter().find(|input| input.name == *name);
        names.iter().find_map(find).map(|input| (input.name, input.kind))
    }

    fn fault(&mut self, member: &str, why: &'static str) {
        self.faults.push((self.members.path(member), why));
    }

    /// Gives an input the value of a member. What the feature data say must not differ.
    fn put(&mut self, name: &'static str, member: &str, value: Value) {
        match self.given.get(name) {
            Some(given) if !same(given, &value) => self.fault(member, "contradicts connector_feature_data"),
            Some(_) => {}
            None => {
                self.given.insert(name.into(), value);
            }
        }
    }

    /// Gives a member to the first of these inputs that the grant has, in the form of its kind.
    fn take<T>(
        &mut self,
        names: &[&str],
        member: &str,
        value: Option<T>,
        otherwise: Otherwise,
        form: impl Fn(T, InputKind) -> Option<Value>,
    ) {
        let Some((name, kind)) = self.input(names) else {
            if value.is_some() && otherwise == Refused {
                self.fault(member, "the grant cannot be told it");
            }
            return;
        };
        self.stands_for.push((name, self.members.path(member)));
        let Some(value) = value else { return };
        match form(value, kind) {
            Some(value) => self.put(name, member, value),
            None if otherwise == Refused => self.fault(member, "the grant cannot be told it"),
            None => {}
        }
    }

    fn amount(&mut self) -> Result<(), Error> {
        let (minor, currency) = (self.members.minor_amount()?, self.members.currency()?);
        let code = currency.map(|currency| buffa::Enumeration::proto_name(&currency));
        for (part, value) in self.members.parts {
            if value.is_some_and(|value| value != 0) {
                self.fault(part, "no grant takes it apart from the amount; leave it out, or send zero");
            }
        }
        let currency_input = self.grant.inputs.iter().find(|input| input.kind == InputKind::Currency);
        if let Some(input) = currency_input {
            self.stands_for.push((input.name, self.members.path("amount.currency")));
            if let Some(code) = code {
                self.put(input.name, "amount.currency", code.into());
            }
        }
        let Some((name, kind)) = self.input(AMOUNT) else { return Ok(()) };
        let is_needed = self.grant.inputs.iter().any(|input| input.name == name && input.required);
        self.stands_for.push((name, self.members.path("amount.minor_amount")));
        if minor == 0 && !is_needed {
            return Ok(());
        }
        match (kind, code) {
            (InputKind::Decimal, Some(code)) => match major_units(minor, code) {
                Some(amount) => self.put(name, "amount.minor_amount", amount.into()),
                None => self.fault("amount.currency", "has no minor unit that is known"),
            },
            (InputKind::Decimal, None) if minor == 0 => {}
            (InputKind::Decimal, None) => self.fault("amount.currency", "is missing: the connector takes major units"),
            // An amount of zero may stand for one that is absent.
            (_, None) if minor == 0 => {}
            _ => self.put(name, "amount.minor_amount", minor.into()),
        }
        Ok(())
    }

    fn payer(&mut self) -> Result<(), Error> {
        let members = self.members;
        let customer = members.customer.as_ref();
        let as_text_or_id = |id: String, kind: InputKind| match kind {
            InputKind::Object => Some(json!({"id": id})),
            _ => Some(id.into()),
        };
        let own = customer.and_then(|customer| filled(customer.connector_customer_id.clone()));
        let state = filled(members.state_customer.clone());
        let (member, id) = match (own, state) {
            (Some(own), Some(state)) if own != state => {
                let why = "contradicts customer.connector_customer_id";
                return Err(Error::invalid("state.connector_customer_id", why));
            }
            (None, Some(state)) => ("state.connector_customer_id", Some(state)),
            (own, _) => ("customer.connector_customer_id", own),
        };
        self.take(CUSTOMER, member, id, Refused, as_text_or_id);
        // The shop's own name of a payer bounds a token only where the connector takes such names.
        let shop = customer.and_then(|customer| filled(customer.id.clone()));
        self.take(SHOP_CUSTOMER, "customer.id", shop, Ignored, |id, kind| match kind {
            InputKind::Object => Some(json!({"client_user_id": id})),
            _ => Some(id.into()),
        });
        let email = customer.and_then(|customer| customer.email.as_option()).map(|email| email.value.clone());
        self.take(EMAIL, "customer.email", filled(email), Ignored, |email, _| Some(email.into()));
        Ok(())
    }

    fn places(&mut self) -> Result<(), Error> {
        let members = self.members;
        self.take(COUNTRY, "country_alpha2_code", members.country()?, Ignored, |code, kind| {
            Some(if kind == InputKind::Object { json!({"address": {"country": code}}) } else { code.into() })
        });
        let countries = Some(members.countries()?).filter(|codes| !codes.is_empty());
        self.take(&["country_codes"], "country_codes", countries, Refused, |codes, _| Some(codes.into()));
        let return_url = filled(members.return_url.clone());
        // The page with the fields is that of the shop, as the one that the payer comes back to.
        let origin = return_url.as_deref().and_then(origin);
        self.take(&["target_origins"], "return_url", origin, Ignored, |origin, _| Some(json!([origin])));
        self.take(RETURN_URL, "return_url", return_url, Ignored, |url, _| Some(url.into()));
        let webhook_url = filled(members.webhook_url.clone());
        self.take(WEBHOOK_URL, "webhook_url", webhook_url, Refused, |url, _| Some(url.into()));
        self.take(LOCALE, "locale", filled(members.locale.clone()), Ignored, |locale, kind| {
            let language = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
            match kind {
                InputKind::OneOf(known) if !known.contains(&locale.as_str()) => Some(language.into()),
                _ => Some(locale.into()),
            }
        });
        let app = filled(members.native_app.clone());
        self.take(&["android_package_name"], "native_app_identifier", app, Refused, |app, _| Some(app.into()));
        if members.has_urls_by_system {
            self.fault("os_based_return_url", "the grant takes one URL: send return_url");
        }
        Ok(())
    }

    fn method(&mut self, fitting: &SessionGrants) -> Result<(), Error> {
        const UNTOLD: &str = "the grant cannot be told which method; leave it out";
        let Some(method) = self.members.method()? else { return Ok(()) };
        match fitting.methods {
            Methods::Only(methods) if methods.contains(&method) => {}
            Methods::Input(name, names) => {
                let known = names.iter().find(|(known, _)| *known == method);
                match (known, self.input(&[name])) {
                    (Some((_, word)), Some((name, InputKind::Texts(_)))) => {
                        self.put(name, "payment_method_type", json!([word]));
                    }
                    (Some((_, word)), Some((name, _))) => self.put(name, "payment_method_type", (*word).into()),
                    _ => self.fault("payment_method_type", UNTOLD),
                }
            }
            Methods::Only(_) | Methods::Untold => self.fault("payment_method_type", UNTOLD),
        }
        Ok(())
    }

    fn permissions(&mut self) {
        let wanted = &self.members.permissions;
        if wanted.is_empty() {
            return;
        }
        if self.grant.scopes == Scopes::None {
            self.fault("permissions", "the grant cannot be told them");
            return;
        }
        self.stands_for.push(("scopes", "permissions".into()));
        self.put("scopes", "permissions", json!(wanted));
    }

    /// What a connector needs besides, and existing clients do not send: Mollie shows the payer a
    /// text, which is the reference, and Elavon wants to know what becomes of the amount.
    fn own_needs(&mut self, connector: &str, reference: &str) {
        let value = match connector {
            "mollie" if !reference.is_empty() => ("description", reference),
            "elavon" if self.given.contains_key("ssl_amount") => ("ssl_transaction_type", "ccsale"),
            _ => return,
        };
        self.given.entry(value.0).or_insert_with(|| value.1.into());
    }

    fn done(self, meta: &Meta) -> Result<Mapped, Error> {
        let Some((first, why)) = self.faults.first() else {
            return Ok(Mapped {
                feature_data: Some(Value::Object(self.given).to_string()),
                stands_for: self.stands_for,
                reference_name: self.members.reference_name,
            });
        };
        let mut error = Error::invalid(first.clone(), *why);
        error.message = format!("{first}: {why} ({} {})", meta.name, self.grant.name).into();
        error.fields = Vec::new();
        for (field, description) in self.faults {
            let description = description.to_owned();
            error.fields.push(connectors::FieldViolation { field, description });
        }
        Err(error)
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Whether two values say the same: codes in either case, lists of one, texts of numbers.
fn same(given: &Value, value: &Value) -> bool {
    match (given, value) {
        (Value::String(given), Value::String(value)) => given.eq_ignore_ascii_case(value),
        (Value::Number(given), Value::String(value)) => given.to_string() == *value,
        (Value::Object(given), Value::Object(value)) => {
            value.iter().all(|(name, value)| given.get(name) == Some(value))
        }
        _ => given == value,
    }
}

/// An amount in major units, with all decimals of the currency.
fn major_units(minor: i64, currency: &str) -> Option<String> {
    let decimals = currency_decimals(currency)?;
    let digits = format!("{minor:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - decimals)?;
    Some(if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

/// The origin of a URL of the web.
fn origin(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?)).filter(|origin| origin.starts_with("http"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ucs::v2::MerchantAuthenticationServiceCreateClientAuthenticationTokenRequest as ClientRequest;

    fn members(request: &Value) -> Members {
        Members::of_client(serde_json::from_value::<ClientRequest>(request.clone()).unwrap())
    }

    fn mapped(connector: &str, request: &Value, feature_data: Option<&str>) -> Result<Value, Error> {
        let mapped = map(&members(request), Some(connector), feature_data, "ref-1")?;
        Ok(serde_json::from_str(&mapped.feature_data.unwrap()).unwrap())
    }

    #[test]
    fn members_become_the_inputs_of_the_grant() {
        let euros = |minor: i64| json!({"minor_amount": minor, "currency": "EUR"});
        let pays = |minor: i64| json!({"payment": {"amount": euros(minor)}});
        let back = "https://shop.example:8443/back?a=b";
        for (connector, request, inputs) in [
            ("stripe", pays(1050), json!({"grant": "payment_intent", "amount": 1050, "currency": "EUR"})),
            ("stripe", pays(0), json!({"grant": "setup_intent"})),
            ("stripe", json!({}), json!({"grant": "setup_intent"})),
            (
                "stripe",
                json!({"payment": {"amount": euros(1), "payment_method_type": "DEBIT", "customer":
                    {"id": "shop-1", "connector_customer_id": "cus_1", "email": "a@b.example"}}}),
                json!({"grant": "payment_intent", "amount": 1, "currency": "EUR", "customer": "cus_1",
                    "payment_method_types": ["card"]}),
            ),
            (
                "adyen",
                json!({"payment": {"amount": euros(0), "return_url": back, "country_alpha2_code": "NL",
                    "customer": {"id": "shop-1"}}}),
                json!({"grant": "session_zero_value", "currency": "EUR", "return_url": back, "country_code": "NL",
                    "shopper_reference": "shop-1"}),
            ),
            ("nuvei", pays(5), json!({"grant": "open_order", "amount": "0.05", "currency": "EUR"})),
            (
                "nuvei",
                json!({"payment": {"amount": {"minor_amount": 500, "currency": "JPY"}}}),
                json!({"grant": "open_order", "amount": "500", "currency": "JPY"}),
            ),
            (
                "mollie",
                pays(1),
                json!({"grant": "payment", "amount": "0.01", "currency": "EUR", "description": "ref-1"}),
            ),
            (
                "elavon",
                pays(1),
                json!({"grant": "transaction_token", "ssl_amount": "0.01", "ssl_transaction_type": "ccsale"}),
            ),
            ("datatrans", pays(0), json!({"grant": "secure_fields", "currency": "EUR"})),
            (
                "checkout",
                json!({"payment": {"amount": euros(7), "country_alpha2_code": "DE",
                    "customer": {"connector_customer_id": "cus_1"}}}),
                json!({"grant": "payment_session", "amount": 7, "currency": "EUR", "customer": {"id": "cus_1"},
                    "billing": {"address": {"country": "DE"}}}),
            ),
            (
                "cybersource",
                json!({"payment": {"amount": euros(7), "return_url": back}}),
                json!({"grant": "microform_session", "target_origins": ["https://shop.example:8443"]}),
            ),
            ("bluesnap", pays(1), json!({"grant": "payment_fields_token"})),
            (
                "plaid",
                json!({"authenticator": {"return_url": back, "webhook_url": back, "country_codes": ["US", "CA"],
                    "locale": "en-US", "customer": {"id": "shop-1"}, "native_app_identifier": "app.example"}}),
                json!({"grant": "link_token", "redirect_uri": back, "webhook": back, "country_codes": ["US", "CA"],
                    "language": "en", "user": {"client_user_id": "shop-1"}, "android_package_name": "app.example"}),
            ),
        ] {
            assert_eq!(mapped(connector, &request, None).unwrap(), inputs, "{connector} {request}");
        }
    }

    #[test]
    fn feature_data_go_before_members_and_do_not_contradict_them() {
        let request = json!({"payment": {"amount": {"minor_amount": 1050, "currency": "EUR"}}});
        let given = r#"{"grant": "checkout_session_setup", "currency": "eur"}"#;
        let inputs = mapped("stripe", &request, Some(given)).unwrap();
        assert_eq!(inputs, json!({"grant": "checkout_session_setup", "currency": "eur"}));
        let inputs = mapped("adyen", &json!({}), Some(r#"{"amount": 5, "currency": "EUR"}"#)).unwrap();
        assert_eq!(inputs["grant"], "session", "an amount of the feature data is an amount");
        assert_eq!(mapped("paypal", &request, None).unwrap()["grant"], "identity_client_token");
        let domains = r#"{"domains": ["shop.example"]}"#;
        assert_eq!(mapped("paypal", &request, Some(domains)).unwrap()["grant"], "client_token");
        let error = mapped("stripe", &request, Some(r#"{"amount": 2}"#)).unwrap_err();
        assert_eq!(error.fields[0].field, "payment.amount.minor_amount");
        let error = mapped("stripe", &request, Some(r#"{"grant": "ephemeral_key"}"#)).unwrap_err();
        assert_eq!(error.fields[0].field, "connector_feature_data.grant");
    }

    #[test]
    fn members_that_would_bound_the_token_are_refused_by_name() {
        for (connector, request, field) in [
            ("bluesnap", json!({"permissions": {"values": ["a"]}}), "permissions"),
            (
                "multisafepay",
                json!({"payment": {"customer": {"connector_customer_id": "c"}}}),
                "payment.customer.connector_customer_id",
            ),
            ("nuvei", json!({"payment": {"payment_method_type": "IDEAL"}}), "payment.payment_method_type"),
            ("cybersource", json!({"payment": {"payment_method_type": "PAY_PAL"}}), "payment.payment_method_type"),
            ("stripe", json!({"payment": {"order_tax_amount": "5"}}), "payment.order_tax_amount"),
            ("stripe", json!({"payment": {"amount": {"minor_amount": -1}}}), "payment.amount.minor_amount"),
            ("stripe", json!({"payment": {"amount": {"currency": 999}}}), "payment.amount.currency"),
            ("nuvei", json!({"payment": {"amount": {"minor_amount": 1}}}), "payment.amount.currency"),
            (
                "plaid",
                json!({"authenticator": {"os_based_return_url": {"os_type": 1}}}),
                "authenticator.os_based_return_url",
            ),
            ("stripe", json!({"authenticator": {"webhook_url": "https://a.example"}}), "authenticator.webhook_url"),
        ] {
            let error = mapped(connector, &request, None).unwrap_err();
            assert_eq!(error.fields[0].field, field, "{connector} {request}: {error:?}");
        }
        for (connector, method) in [("stripe", "GOOGLE_PAY"), ("braintree", "APPLE_PAY")] {
            let request = json!({"payment": {"payment_method_type": method}});
            assert_eq!(mapped(connector, &request, None).unwrap_err().kind, connectors::Kind::UnsupportedGrant);
        }
    }

    #[test]
    fn errors_of_the_engine_name_the_members() {
        let request = json!({"payment": {"amount": {"minor_amount": 1050}}});
        let mapped = map(&members(&request), Some("adyen"), None, "ref-1").unwrap();
        let error =
            mapped.in_own_words(Error::missing_inputs(&["currency", "return_url", "other"], "session needs it"));
        let fields: Vec<_> = error.fields.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["payment.amount.currency", "payment.return_url", "connector_feature_data.other"]);
        let error = mapped.in_own_words(Error::invalid(REFERENCE, "must be visible"));
        assert_eq!(error.message, "merchant_client_session_id: must be visible");
    }
}
