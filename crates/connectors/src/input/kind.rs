//! The inputs that a grant declares, and the forms that their values must have.

use serde_json::Value;

use crate::secret::is_clean;

/// A key of `connector_feature_data` that a grant takes.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// The key.
    pub name: &'static str,
    /// Whether the grant needs it.
    pub required: bool,
    /// The form of its value.
    pub kind: InputKind,
    /// The unit of the amounts in it with an example, in one sentence without a full stop, where the
    /// form does not say it: an object with amounts.
    pub amounts: Option<&'static str>,
}

/// The form of an input's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Text of 1 to this many characters.
    Text(usize),
    /// The same, or a whole number that stands for its digits.
    Digits(usize),
    /// Text that is never shown: a second key, a password.
    Secret,
    /// An absolute URL of any scheme (apps have schemes of their own), at most 2048 characters.
    Url,
    /// A web origin: `https://host[:port]` with no path (`http` for localhost only).
    Origin,
    /// A DNS label: letters, digits and inner hyphens, at most 63.
    Label,
    /// A currency code of ISO 4217, in upper or lower case.
    Currency,
    /// A country code of ISO 3166-1 (alpha-2), in upper or lower case.
    Country,
    /// A whole number within bounds (both ends included).
    Integer(i64, i64),
    /// An amount in minor units, a whole number within bounds (both ends included).
    MinorUnits(i64, i64),
    /// An amount in major units: digits with at most three decimals, as text or number.
    Decimal,
    /// `true` or `false`.
    Flag,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of texts, at most this many.
    Texts(usize),
    /// A list of web origins, at most this many.
    Origins(usize),
    /// A JSON object, passed on as it is.
    Object,
    /// A list of JSON objects, passed on as they are.
    Objects,
}

/// The most that an amount counts: twelve digits, which every connector takes.
const MOST_MINOR_UNITS: i64 = 999_999_999_999;

impl Input {
    const fn new(name: &'static str, kind: InputKind) -> Self {
        Self { name, required: false, kind, amounts: None }
    }

    /// Text of up to 255 characters.
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, InputKind::Text(255))
    }

    /// Text that is never shown.
    pub const fn secret(name: &'static str) -> Self {
        Self::new(name, InputKind::Secret)
    }

    /// An absolute URL.
    pub const fn url(name: &'static str) -> Self {
        Self::new(name, InputKind::Url)
    }

    /// A web origin.
    pub const fn origin(name: &'static str) -> Self {
        Self::new(name, InputKind::Origin)
    }

    /// A DNS label.
    pub const fn label(name: &'static str) -> Self {
        Self::new(name, InputKind::Label)
    }

    /// A currency code.
    pub const fn currency(name: &'static str) -> Self {
        Self::new(name, InputKind::Currency)
    }

    /// A country code.
    pub const fn country(name: &'static str) -> Self {
        Self::new(name, InputKind::Country)
    }

    /// An amount in minor units, zero included.
    pub const fn minor_units(name: &'static str) -> Self {
        Self::minor_units_of(name, 0, MOST_MINOR_UNITS)
    }

    /// An amount in minor units that cannot be zero.
    pub const fn minor_units_from(name: &'static str, min: i64) -> Self {
        Self::minor_units_of(name, min, MOST_MINOR_UNITS)
    }

    /// An amount in minor units within bounds.
    pub const fn minor_units_of(name: &'static str, min: i64, max: i64) -> Self {
        Self::new(name, InputKind::MinorUnits(min, max))
    }

    /// An amount in major units.
    pub const fn decimal(name: &'static str) -> Self {
        Self::new(name, InputKind::Decimal)
    }

    /// A flag.
    pub const fn flag(name: &'static str) -> Self {
        Self::new(name, InputKind::Flag)
    }

    /// A list of up to 50 texts.
    pub const fn texts(name: &'static str) -> Self {
        Self::new(name, InputKind::Texts(50))
    }

    /// A JSON object.
    pub const fn object(name: &'static str) -> Self {
        Self::new(name, InputKind::Object)
    }

    /// A list of JSON objects.
    pub const fn objects(name: &'static str) -> Self {
        Self::new(name, InputKind::Objects)
    }

    /// One of several texts.
    pub const fn one_of(name: &'static str, accepted: &'static [&'static str]) -> Self {
        Self::new(name, InputKind::OneOf(accepted))
    }

    /// A whole number within bounds.
    pub const fn integer(name: &'static str, min: i64, max: i64) -> Self {
        Self::new(name, InputKind::Integer(min, max))
    }

    /// Text of up to `max` characters.
    pub const fn text_of(name: &'static str, max: usize) -> Self {
        Self::new(name, InputKind::Text(max))
    }

    /// Text of up to `max` characters, or a whole number.
    pub const fn digits(name: &'static str, max: usize) -> Self {
        Self::new(name, InputKind::Digits(max))
    }

    /// A list of up to `max` texts.
    pub const fn texts_of(name: &'static str, max: usize) -> Self {
        Self::new(name, InputKind::Texts(max))
    }

    /// A list of up to `max` web origins.
    pub const fn origins(name: &'static str, max: usize) -> Self {
        Self::new(name, InputKind::Origins(max))
    }

    /// The same input, which the grant needs.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Says the unit of the amounts in it.
    #[must_use]
    pub const fn amounts(self, amounts: &'static str) -> Self {
        Self { amounts: Some(amounts), ..self }
    }

    /// What it accepts, in words, with the unit of its amounts.
    pub fn describe(&self) -> String {
        match self.amounts {
            Some(amounts) => format!("{}; {amounts}", self.kind.describe()),
            None => self.kind.describe(),
        }
    }
}

impl InputKind {
    /// The accepted form in words, for error messages and documentation.
    pub fn describe(self) -> String {
        match self {
            Self::Text(max) => format!("text of 1 to {max} characters"),
            Self::Digits(max) => format!("text of 1 to {max} characters, or a whole number"),
            Self::Secret => "text without blanks around it (kept secret)".into(),
            Self::Url => "an absolute URL".into(),
            Self::Origin => "a web origin such as https://shop.example, without a path".into(),
            Self::Label => "a DNS label: letters, digits and inner hyphens".into(),
            Self::Currency => "a currency code of ISO 4217, such as EUR".into(),
            Self::Country => "a two-letter country code of ISO 3166-1 (GB for the United Kingdom)".into(),
            Self::Integer(min, max) => format!("a whole number from {min} to {max}"),
            Self::MinorUnits(min, max) => {
                format!("an amount in minor units from {min} to {max}: 1050 is EUR 10.50, and JPY 1050")
            }
            Self::Decimal => "an amount in major units: \"10.50\" is EUR 10.50".into(),
            Self::Flag => "true or false".into(),
            Self::OneOf(accepted) => format!("one of {}", accepted.join(", ")),
            Self::Texts(max) => format!("a list of 1 to {max} texts"),
            Self::Origins(max) => format!("a list of 1 to {max} web origins such as https://shop.example"),
            Self::Object => "a JSON object".into(),
            Self::Objects => "a list of JSON objects".into(),
        }
    }

    /// Whether a value has this form.
    pub fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(max), Value::String(text)) => is_text(text, max),
            (Self::Digits(max), Value::String(text)) => is_text(text, max),
            (Self::Digits(max), Value::Number(number)) => number.is_u64() && number.to_string().len() <= max,
            (Self::Secret, Value::String(text)) => is_clean(text),
            (Self::Url, Value::String(text)) => is_url(text),
            (Self::Origin, Value::String(text)) => is_origin(text),
            (Self::Label, Value::String(text)) => is_label(text),
            (Self::Currency, Value::String(text)) => currency_decimals(text).is_some(),
            (Self::Country, Value::String(text)) => is_country(text),
            (Self::Integer(min, max) | Self::MinorUnits(min, max), Value::Number(number)) => {
                number.as_i64().is_some_and(|number| (min..=max).contains(&number))
            }
            (Self::Decimal, Value::String(text)) => is_decimal(text),
            (Self::Decimal, Value::Number(number)) => is_decimal(&number.to_string()),
            (Self::Flag, Value::Bool(_)) => true,
            (Self::OneOf(accepted), Value::String(text)) => accepted.contains(&text.as_str()),
            (Self::Texts(max), Value::Array(items)) => {
                all(items, max, |item| item.as_str().is_some_and(|text| is_text(text, 255)))
            }
            (Self::Origins(max), Value::Array(items)) => all(items, max, |item| item.as_str().is_some_and(is_origin)),
            (Self::Object, Value::Object(_)) => true,
            (Self::Objects, Value::Array(items)) => all(items, 100, Value::is_object),
            _ => false,
        }
    }
}

fn all(items: &[Value], max: usize, accept: impl Fn(&Value) -> bool) -> bool {
    !items.is_empty() && items.len() <= max && items.iter().all(accept)
}

fn is_text(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control)
}

/// The decimals of a currency's major unit by ISO 4217: 2 for EUR, 0 for JPY, 3 for KWD. `None`
/// where the code is not in the list.
pub(crate) fn currency_decimals(code: &str) -> Option<usize> {
    let currency = iso_currency::Currency::from_code(&code.to_ascii_uppercase())?;
    Some(currency.exponent().map_or(0, usize::from))
}

/// Whether a code is in ISO 3166-1, or the one that stands for Kosovo everywhere but there.
fn is_country(code: &str) -> bool {
    let code = code.to_ascii_uppercase();
    code == "XK"
        || code.parse::<iso_country::Country>().is_ok_and(|country| country != iso_country::Country::Unspecified)
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, max: usize| {
        !part.is_empty() && part.len() <= max && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    digits(whole, 12) && digits(fraction, 3)
}

/// An amount in major units, text or number, with exactly so many decimals; `None` where it has
/// more decimals or is no amount.
pub(crate) fn with_decimals(amount: &Value, decimals: usize) -> Option<String> {
    let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if !is_decimal(&text) || fraction.len() > decimals {
        return None;
    }
    Some(if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction:0<decimals$}") })
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_url(text: &str) -> bool {
    text.len() <= 2048
        && text.split_once("://").is_some_and(|(scheme, rest)| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                // An app's own scheme may stand alone: `my-app://`.
                && !(rest.is_empty() && ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web)))
        })
        && !text.chars().any(|character| character.is_control() || character.is_whitespace())
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let host = authority.split(':').next().unwrap_or_default();
    let local = host == "localhost" || host == "127.0.0.1";
    (scheme == "https" || scheme == "http" && local)
        && authority.parse::<http::uri::Authority>().is_ok_and(|parsed| !parsed.host().is_empty())
        && !authority.contains(['@', '*'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms_accept_and_refuse() {
        let table = [
            (InputKind::Text(3), json!("abc"), true),
            (InputKind::Text(3), json!("abcd"), false),
            (InputKind::Text(3), json!(""), false),
            (InputKind::Text(9), json!("a\r\nb"), false),
            (InputKind::Digits(3), json!("1a"), true),
            (InputKind::Digits(3), json!(1), true),
            (InputKind::Digits(3), json!(1000), false),
            (InputKind::Digits(3), json!(1.5), false),
            (InputKind::Digits(3), json!(-1), false),
            (InputKind::Label, json!("0123abc-Co"), true),
            (InputKind::Label, json!("evil.example/"), false),
            (InputKind::Label, json!("-a"), false),
            (InputKind::Url, json!("https://shop.example/r?x={ID}"), true),
            (InputKind::Url, json!("app://back"), true),
            (InputKind::Url, json!("my-app://"), true),
            (InputKind::Url, json!("https://"), false),
            (InputKind::Url, json!("HTTP://"), false),
            (InputKind::Url, json!("://"), false),
            (InputKind::Url, json!("shop.example"), false),
            (InputKind::Origin, json!("https://shop.example:8443"), true),
            (InputKind::Origin, json!("https://shop.example/path"), false),
            (InputKind::Origin, json!("http://shop.example"), false),
            (InputKind::Origin, json!("http://localhost:3000"), true),
            (InputKind::Origin, json!("https://a@shop.example"), false),
            (InputKind::Currency, json!("EUR"), true),
            (InputKind::Currency, json!("EURO"), false),
            (InputKind::Currency, json!("jpy"), true),
            (InputKind::Currency, json!("EUX"), false),
            (InputKind::Country, json!("GB"), true),
            (InputKind::Country, json!("de"), true),
            (InputKind::Country, json!("UK"), false),
            (InputKind::Country, json!(""), false),
            (InputKind::Country, json!("XX"), false),
            (InputKind::Decimal, json!("10.50"), true),
            (InputKind::Decimal, json!(10.5), true),
            (InputKind::Decimal, json!("1e3"), false),
            (InputKind::Decimal, json!("-1"), false),
            (InputKind::Integer(0, 5), json!(5), true),
            (InputKind::Integer(0, 5), json!("5"), false),
            (InputKind::Integer(0, 5), json!(5.5), false),
            (InputKind::MinorUnits(1, 5), json!(5), true),
            (InputKind::MinorUnits(1, 5), json!(0), false),
            (InputKind::MinorUnits(1, 5), json!("5"), false),
            (InputKind::MinorUnits(1, 5), json!(1.5), false),
            (InputKind::Flag, json!("true"), false),
            (InputKind::OneOf(&["a", "b"]), json!("b"), true),
            (InputKind::Texts(2), json!(["a", "b", "c"]), false),
            (InputKind::Objects, json!([{"a": 1}]), true),
            (InputKind::Objects, json!([1]), false),
        ];
        for (kind, value, accepted) in table {
            assert_eq!(kind.accepts(&value), accepted, "{kind:?} {value}");
        }
    }

    #[test]
    fn amounts_get_the_decimals_that_the_connector_wants() {
        for (amount, decimals, want) in [
            (json!(10), 2, Some("10.00")),
            (json!("10.5"), 2, Some("10.50")),
            (json!("10.55"), 2, Some("10.55")),
            (json!("10.555"), 2, None),
            (json!("10.555"), 3, Some("10.555")),
            (json!(10), 0, Some("10")),
            (json!("10.0"), 0, None),
            (json!("1e3"), 2, None),
            (json!([10]), 2, None),
        ] {
            assert_eq!(with_decimals(&amount, decimals).as_deref(), want, "{amount} {decimals}");
        }
    }
}
