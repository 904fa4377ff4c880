//! The form of values that go to a client: a connector, or something between, must not lead a browser
//! elsewhere. The exchange checks each CLIENT token.

use connectors::{Audience, ClientParameter, Error, Mode, Result, Token};
use http::Uri;

use crate::request::validated::TokenRequest;

/// Checks the token, its type, its scopes and its parameters.
///
/// # Errors
/// A value has control characters, or is a URL that is not `https` of the connector's domains. The
/// error names the value and does not contain it.
pub(super) fn check(token: &Token, request: &TokenRequest) -> Result<()> {
    if request.audience != Audience::Client {
        return Ok(());
    }
    let own = [("access_token", token.value.expose()), ("token_type", token.token_type.as_str())];
    let parameters = token.client_parameters.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
    for (name, value) in own.into_iter().chain(parameters) {
        let described = request.grant.client_parameters.iter().find(|known| known.name == name);
        check_characters(name, value, described)?;
        if !(request.grant.begins_as_keys && name == "access_token") {
            check_power(name, value, request)?;
        }
        if let Some(url) = as_url(value)
            && !leads_to_connector(url, value, request)
        {
            return Err(Error::bad_reply(format!(
                "the connector's answer leads clients elsewhere: {name} is no https:// URL of its own domains"
            )));
        }
    }
    token.scopes.iter().try_for_each(|scope| {
        check_characters("scopes", scope, None)?;
        check_power("scopes", scope, request)
    })
}

/// Least length of a word that is taken for a key. A short prefix begins a random text now and then.
const fn least_length(prefix: &str) -> usize {
    if prefix.len() > 3 { 16 } else { 60 }
}

/// No word of a value begins as the connector's full-power keys do: whatever the connector, or a
/// gateway before it, answers, that is no token for a client.
fn check_power(name: &str, value: &str, request: &TokenRequest) -> Result<()> {
    let prefixes = || request.meta.credentials.iter().flat_map(|field| field.key_prefixes);
    let words = value.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'));
    let is_key = |word: &str| prefixes().any(|prefix| word.starts_with(prefix) && word.len() >= least_length(prefix));
    // Most values have no such prefix anywhere: they are not taken apart.
    let has_key = prefixes().any(|prefix| value.contains(prefix)) && words.into_iter().any(is_key);
    match has_key || value.contains("PRIVATE KEY-----") {
        true => Err(Error::bad_reply(format!(
            "the connector's answer has a key with full power where a value for clients belongs: {name}"
        ))),
        false => Ok(()),
    }
}

fn check_characters(name: &str, value: &str, described: Option<&ClientParameter>) -> Result<()> {
    let is_document = described.is_some_and(|known| known.document);
    let allowed = |c: char| !c.is_control() || is_document && matches!(c, '\n' | '\r' | '\t');
    let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain || value.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::bad_reply(format!("the connector's answer has control characters in a value for clients: {name}")))
}

/// The scheme and the rest of a value that a browser takes for an absolute URL (WHATWG URL, section
/// 4.4: blanks around it do not count, and neither does the case of the scheme).
fn as_url(value: &str) -> Option<&str> {
    let (scheme, rest) = value.trim().split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let runs = ["javascript", "data", "vbscript", "blob", "file"];
    (is_scheme && (rest.starts_with(['/', '\\']) || runs.iter().any(|run| scheme.eq_ignore_ascii_case(run))))
        .then_some(scheme)
}

fn leads_to_connector(scheme: &str, value: &str, request: &TokenRequest) -> bool {
    // A value that the caller gave comes back as it was.
    if request.inputs.iter().any(|(_, given)| given.as_str() == Some(value)) {
        return true;
    }
    let Some(uri) = value.parse::<Uri>().ok() else { return false };
    let Some(authority) = uri.authority().filter(|authority| !authority.as_str().contains('@')) else { return false };
    // Where the operator put another host, such as a sandbox, its own URLs are good.
    if request.bases.authorities().iter().any(|base| base == authority.as_str()) {
        return true;
    }
    let https = scheme == "https" && authority.port().is_none();
    let Some(further) = request.grant.url_domains else { return https };
    let host = authority.host().to_ascii_lowercase();
    let modes = [Mode::Live, Mode::Test];
    let hosts = request.meta.hosts.iter().flat_map(|host| modes.map(|mode| host.of(mode)));
    let own = hosts.filter_map(domain).chain(further.iter().copied());
    let inside = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    https && own.into_iter().any(inside)
}

/// The domain that a connector's host belongs to: its last two labels, or three where those two are
/// no domain of anybody (`co.uk`, `com.br`).
fn domain(base: &str) -> Option<&str> {
    let host = base.strip_prefix("https://")?.split(['/', ':']).next()?;
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let last = dots.next()?;
    let Some(second) = dots.next() else { return Some(host) };
    let is_shared = host.len() - last <= 3 && last - second <= 4;
    let cut = if is_shared { dots.next() } else { Some(second) };
    Some(cut.map_or(host, |at| host.get(at + 1..).unwrap_or(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_a_host_is_one_that_somebody_owns() {
        for (base, own) in [
            ("https://api.stripe.com", "stripe.com"),
            ("https://eu-test.oppwa.com/v1", "oppwa.com"),
            ("https://example.com", "example.com"),
            ("https://secure.vendor.co.uk", "vendor.co.uk"),
            ("https://api.mundipagg.com.br:443", "mundipagg.com.br"),
            ("https://{prefix}.klarna.com", "klarna.com"),
        ] {
            assert_eq!(domain(base), Some(own), "{base}");
        }
    }

    #[test]
    fn a_browser_takes_these_for_urls() {
        for (value, url) in [
            ("https://a.example", true),
            ("HTTP://a.example", true),
            (" javascript:alert(1)", true),
            ("Data:text/html,x", true),
            (r"https:\\a.example", true),
            ("cs_test:abc", false),
            ("Bearer", false),
            ("{\"url\":\"https://a.example\"}", false),
            ("aGVsbG86d29ybGQ=", false),
        ] {
            assert_eq!(as_url(value).is_some(), url, "{value}");
        }
    }
}
