//! Stripe's API versions, and their changes of the calls that create tokens.
//!
//! Written from the types and the changelog of the npm package `stripe` 23.1.0. The code of a
//! refusal is in
//! <https://docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents>.

use super::errors::{error, invalid};
use crate::http::{Answer, Pairs, Request};

/// `WebhookEndpointCreateParams.ApiVersion`.
const KNOWN: &str = "2011-01-01 2011-06-21 2011-06-28 2011-08-01 2011-09-15 2011-11-17 2012-02-23 2012-03-25 \
    2012-06-18 2012-06-28 2012-07-09 2012-09-24 2012-10-26 2012-11-07 2013-02-11 2013-02-13 \
    2013-07-05 2013-08-12 2013-08-13 2013-10-29 2013-12-03 2014-01-31 2014-03-13 2014-03-28 \
    2014-05-19 2014-06-13 2014-06-17 2014-07-22 2014-07-26 2014-08-04 2014-08-20 2014-09-08 \
    2014-10-07 2014-11-05 2014-11-20 2014-12-08 2014-12-17 2014-12-22 2015-01-11 2015-01-26 \
    2015-02-10 2015-02-16 2015-02-18 2015-03-24 2015-04-07 2015-06-15 2015-07-07 2015-07-13 \
    2015-07-28 2015-08-07 2015-08-19 2015-09-03 2015-09-08 2015-09-23 2015-10-01 2015-10-12 \
    2015-10-16 2016-02-03 2016-02-19 2016-02-22 2016-02-23 2016-02-29 2016-03-07 2016-06-15 \
    2016-07-06 2016-10-19 2017-01-27 2017-02-14 2017-04-06 2017-05-25 2017-06-05 2017-08-15 \
    2017-12-14 2018-01-23 2018-02-05 2018-02-06 2018-02-28 2018-05-21 2018-07-27 2018-08-23 \
    2018-09-06 2018-09-24 2018-10-31 2018-11-08 2019-02-11 2019-02-19 2019-03-14 2019-05-16 \
    2019-08-14 2019-09-09 2019-10-08 2019-10-17 2019-11-05 2019-12-03 2020-03-02 2020-08-27 \
    2022-08-01 2022-11-15 2023-08-16 2023-10-16 2024-04-10 2024-06-20 2024-09-30.acacia \
    2024-10-28.acacia 2024-11-20.acacia 2024-12-18.acacia 2025-01-27.acacia 2025-02-24.acacia \
    2025-03-01.dashboard 2025-03-31.basil 2025-04-30.basil 2025-05-28.basil 2025-06-30.basil \
    2025-07-30.basil 2025-08-27.basil 2025-09-30.clover 2025-10-29.clover 2025-11-17.clover \
    2025-12-15.clover 2026-01-28.clover 2026-02-25.clover 2026-03-25.dahlia 2026-04-22.dahlia \
    2026-05-27.dahlia 2026-06-24.dahlia 2026-07-29.dahlia 2026-08-26.dahlia 2026-09-30.endive \
    2026-10-28.endive";

/// The version of a call without the header. Stripe takes the account's version; the fake takes the
/// newest.
const NEWEST: &str = "9999";

/// The path below `/v1/`, the parameter, and the first version that has it.
const ADDED: &[(&str, &str, &str)] = &[
    ("checkout/sessions", "allowed_payment_method_types", "2026-09-30"),
    ("customer_sessions", "components[active_entitlements]", "2026-08-26"),
    ("customer_sessions", "components[customer_portal]", "2026-08-26"),
    ("customer_sessions", "components[customer_sheet]", "2025-10-29"),
    ("customer_sessions", "components[mobile_payment_element]", "2025-10-29"),
    ("payment_intents", "allowed_payment_method_types", "2026-07-29"),
    ("setup_intents", "allowed_payment_method_types", "2026-07-29"),
];

/// The calls that have `payment_method_types` in versions before this one.
const TYPED: (&[&str], &str) = (&["checkout/sessions", "payment_intents", "setup_intents"], "2026-09-30");

/// The parameters that exclude each other.
const EXCLUSIVE: &[&str] = &[
    "allowed_payment_method_types",
    "automatic_payment_methods",
    "excluded_payment_method_types",
    "payment_method_configuration",
    "payment_method_types",
];

/// The API version of a call. A preview version has the date of a release.
pub(super) fn version(request: &Request) -> Result<&str, Answer> {
    let Some(version) = request.header("stripe-version") else { return Ok(NEWEST) };
    let preview = version.strip_suffix(".preview");
    let released =
        |known: &str| known == version || known.split_once('.').is_some_and(|(date, _)| preview == Some(date));
    if KNOWN.split_whitespace().any(released) {
        return Ok(version);
    }
    Err(error(400, "invalid_request_error", None, &format!("Invalid Stripe API version: {version}"), None))
}

/// Refuses parameters that the version does not have, and parameters that exclude each other.
pub(super) fn check(path: &[&str], form: &Pairs, version: &str) -> Result<(), Answer> {
    let ["v1", path @ ..] = path else { return Ok(()) };
    let path = path.join("/");
    let given = |name: &str| form.0.iter().find(|(it, _)| it.strip_prefix(name).is_some_and(ends_name));
    for (_, name, since) in ADDED.iter().filter(|(call, ..)| *call == path) {
        if let Some((param, _)) = given(name).filter(|_| version < *since) {
            return Err(invalid(Some("parameter_unknown"), &format!("Received unknown parameter: {param}"), param));
        }
    }
    let (calls, until) = TYPED;
    if !calls.contains(&path.as_str()) {
        return Ok(());
    }
    if given("payment_method_types").is_some() && version >= until {
        let message = "The payment_method_types parameter is no longer supported in this API version.";
        return Err(invalid(Some("payment_method_types_no_longer_supported"), message, "payment_method_types"));
    }
    let together: Vec<&str> = EXCLUSIVE.iter().copied().filter(|name| given(name).is_some()).collect();
    match together.as_slice() {
        [first, _, ..] => {
            let message = format!("You may only specify one of these parameters: {}.", together.join(", "));
            Err(invalid(None, &message, first))
        }
        _ => Ok(()),
    }
}

/// Whether a parameter's name ends before this text, or continues in brackets.
fn ends_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('[')
}

/// The values of `ui_mode`. Version 18.0.0 of the package added `custom`, 21.0.0 the newest names.
pub(super) fn ui_modes(version: &str) -> &'static [&'static str] {
    if version < "2025-03-31" {
        &["hosted", "embedded"]
    } else if version < "2026-03-25" {
        &["hosted", "embedded", "custom"]
    } else {
        &["hosted_page", "embedded_page", "elements", "form"]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const PAGE: &str = "mode=setup&ui_mode=embedded_page&redirect_on_completion=never";
    const OLD_PAGE: &str = "mode=setup&ui_mode=embedded&redirect_on_completion=never";
    const ALLOWED: &str = "allowed_payment_method_types[0]=card";
    const TYPES: &str = "payment_method_types[0]=card";
    const GONE: &str = "payment_method_types_no_longer_supported";
    const UNKNOWN: &str = "parameter_unknown";

    /// The call is valid if the code is empty.
    #[test]
    fn a_version_takes_its_own_parameters_only() {
        let (page_allowed, page_types) = (format!("{PAGE}&{ALLOWED}"), format!("{PAGE}&{TYPES}"));
        let old_page = format!("{OLD_PAGE}&{TYPES}");
        let payment = |types: &str| format!("amount=1&currency=eur&{types}");
        let component = |name: &str| format!("customer=cus_1&components[{name}][enabled]=true");
        for (path, version, body, code) in [
            ("checkout/sessions", "2026-10-28.endive", page_allowed.clone(), ""),
            ("checkout/sessions", "2026-10-28.endive", page_types.clone(), GONE),
            ("checkout/sessions", "2026-09-30.endive", page_allowed.clone(), ""),
            ("checkout/sessions", "2026-09-30.endive", page_types.clone(), GONE),
            ("checkout/sessions", "2026-08-26.dahlia", page_types, ""),
            ("checkout/sessions", "2026-08-26.dahlia", page_allowed, UNKNOWN),
            ("checkout/sessions", "2026-02-25.clover", old_page, ""),
            ("setup_intents", "2026-09-30.endive", TYPES.into(), GONE),
            ("setup_intents", "2026-09-30.endive", ALLOWED.into(), ""),
            ("setup_intents", "2026-07-29.dahlia", ALLOWED.into(), ""),
            ("setup_intents", "2026-08-26.dahlia", TYPES.into(), ""),
            ("setup_intents", "2026-06-24.dahlia", ALLOWED.into(), UNKNOWN),
            ("setup_intents", "2022-11-15", TYPES.into(), ""),
            ("payment_intents", "2026-10-28.endive", payment(TYPES), GONE),
            ("payment_intents", "2026-10-28.endive", payment(ALLOWED), ""),
            ("payment_intents", "2026-07-29.dahlia", payment(ALLOWED), ""),
            ("payment_intents", "2026-06-24.dahlia", payment(ALLOWED), UNKNOWN),
            ("customer_sessions", "2026-08-26.dahlia", component("customer_portal"), ""),
            ("customer_sessions", "2026-07-29.dahlia", component("customer_portal"), UNKNOWN),
            ("customer_sessions", "2025-10-29.clover", component("customer_sheet"), ""),
            ("customer_sessions", "2025-09-30.clover", component("customer_sheet"), UNKNOWN),
        ] {
            let (status, answer) = send(path, version, &body);
            assert_eq!(status, if code.is_empty() { 200 } else { 400 }, "{path} {version} {body}: {answer}");
            assert_eq!(answer["error"]["code"].as_str().unwrap_or_default(), code, "{path} {version} {body}");
        }
    }

    #[test]
    fn parameters_that_exclude_each_other_are_refused() {
        for (version, types) in [("2026-10-28.endive", ALLOWED), ("2025-06-30.basil", TYPES)] {
            for enabled in [true, false] {
                let body = format!("automatic_payment_methods[enabled]={enabled}&{types}");
                let (status, answer) = send("setup_intents", version, &body);
                assert_eq!((status, &answer["error"]["type"]), (400, &"invalid_request_error".into()), "{body}");
            }
        }
    }

    #[test]
    fn setup_needs_a_currency_only_without_types() {
        assert_eq!(send("checkout/sessions", "2026-10-28.endive", PAGE).1["error"]["param"], "currency");
        assert_eq!(send("checkout/sessions", "2025-06-30.basil", OLD_PAGE).1["error"]["param"], "currency");
        let with_currency = format!("{PAGE}&currency=eur");
        assert_eq!(send("checkout/sessions", "2026-10-28.endive", &with_currency).0, 200);
    }

    #[test]
    fn unknown_versions_are_refused() {
        for (version, status) in [
            ("2026-10-28.endive", 200),
            ("2022-11-15", 200),
            ("2026-08-26.preview", 200),
            ("2026-10-28", 400),
            ("2026-10-28.dahlia", 400),
            ("2026-10-29.endive", 400),
            ("2022-11-15.preview", 400),
            ("2027-01-01.endive", 400),
            ("soon", 400),
        ] {
            let (got, answer) = send("setup_intents", version, "");
            assert_eq!(got, status, "{version}: {answer}");
        }
    }

    fn send(path: &str, version: &str, body: &str) -> (u16, serde_json::Value) {
        let headers = [("authorization", "Bearer sk_test_madeup"), ("stripe-version", version)];
        Fake::new("stripe").ask(&format!("POST /v1/{path}"), &headers, body)
    }
}
