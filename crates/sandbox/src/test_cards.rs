//! Card numbers in requests of pages. A page is for a person, who may type a real card: the listener
//! refuses every number that is not one of the vendors' published test numbers.

use serde_json::Value;

use crate::http::Request;

/// Test numbers that vendors publish for their test environments: Stripe (docs.stripe.com/testing),
/// Adyen, Braintree, PayPal and others share most of them; the last four are those of Nuvei, ACI,
/// BlueSnap and Global Payments.
pub const TEST_CARDS: &[&str] = &[
    "4242424242424242",
    "4111111111111111",
    "5555555555554444",
    "5105105105105100",
    "378282246310005",
    "6011111111111117",
    "4000000000000002",
    "4000023104662535",
    "4200000000000000",
    "4263982640269299",
    "4263970000005262",
];

/// The lengths of card numbers (ISO/IEC 7812-1: at most 19; no shorter ones are in use).
const LENGTHS: std::ops::RangeInclusive<usize> = 13..=19;

/// Whether the query, the form or the JSON of a request has a card number that is no test number.
pub(crate) fn has_other_card(request: &Request) -> bool {
    let form = request.form();
    let mut pairs = request.query.0.iter().chain(&form.0);
    pairs.any(|(_, value)| is_other_card(value)) || request.json().is_some_and(|json| in_json(&json))
}

fn in_json(value: &Value) -> bool {
    match value {
        Value::String(text) => is_other_card(text),
        Value::Number(number) => is_other_card(&number.to_string()),
        Value::Array(items) => items.iter().any(in_json),
        Value::Object(members) => members.values().any(in_json),
        Value::Null | Value::Bool(_) => false,
    }
}

/// The first digit is that of a bank's card (ISO/IEC 7812-1). Moments in milliseconds begin with 1.
fn is_other_card(text: &str) -> bool {
    let number: String = text.chars().filter(|it| !matches!(it, ' ' | '-')).collect();
    LENGTHS.contains(&number.len())
        && number.starts_with(['2', '3', '4', '5', '6'])
        && passes_luhn(&number)
        && !TEST_CARDS.contains(&number.as_str())
}

/// The check digit of ISO/IEC 7812-1, annex B. False where a character is no digit.
fn passes_luhn(number: &str) -> bool {
    let sum = number.chars().rev().enumerate().try_fold(0, |sum, (nth, digit)| {
        let digit = digit.to_digit(10)?;
        let doubled = digit * 2;
        Some(sum + if nth % 2 == 0 { digit } else { doubled / 10 + doubled % 10 })
    });
    sum.is_some_and(|sum| sum % 10 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_numbers_pass() {
        assert!(TEST_CARDS.iter().all(|number| passes_luhn(number) && !is_other_card(number)));
        for other in ["4539 1488 0343 6467", "4539-1488-0343-6467", "6221260000000000"] {
            let digits: String = other.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(is_other_card(other), passes_luhn(&digits), "{other}");
        }
        assert!(is_other_card("4539148803436467"));
        assert!(!is_other_card("4539148803436468"), "its check digit is wrong: no card");
        assert!(!is_other_card("1795551352000"), "a moment in milliseconds");
    }

    #[test]
    fn clients_of_the_fakes_use_test_numbers() {
        let token = crate::ClientToken::default();
        for client in crate::VENDORS.iter().flat_map(|vendor| vendor.clients) {
            for call in [(client.allowed)(&token), (client.forbidden)(&token)] {
                assert!(!has_other_card(&Request::new(call.method, &call.path, vec![], call.body)), "{}", call.title);
            }
        }
    }

    #[test]
    fn numbers_are_found_in_forms_json_and_queries() {
        let request = |target: &str, body: &str| Request::new("POST", target, vec![], body.to_owned());
        assert!(has_other_card(&request("/stripe/v1/x", "card%5Bnumber%5D=4539148803436467")));
        assert!(has_other_card(&request("/stripe/v1/x", r#"{"a": [{"number": "4539148803436467"}]}"#)));
        assert!(has_other_card(&request("/stripe/v1/x?pan=4539148803436467", "")));
        assert!(!has_other_card(&request("/stripe/v1/x", r#"{"number": "4242424242424242", "amount": 1000}"#)));
    }
}
