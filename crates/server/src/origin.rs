//! Whether a request to a loopback port comes from this machine and not from a page in its browser.
//! Used by `listen`, `admin` and `playground`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method, Uri, header, uri::Authority};

/// Where a browser says which page sent a request, and as what (Fetch Metadata).
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Checks that a request to a loopback port calls it by one of its own names, and does not come from
/// the page of another site.
///
/// # Errors
/// The reason for a person. A foreign name may be one that leads to this machine for a moment (DNS
/// rebinding).
pub(crate) fn check(method: &Method, uri: &Uri, headers: &HeaderMap, allowed: &[String]) -> Result<(), &'static str> {
    let sent;
    let host = match uri.authority() {
        Some(host) => host,
        None => {
            let host = headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
            sent = host.ok_or("the request names no host")?;
            &sent
        }
    };
    if !is_loopback(host) && !allowed.iter().any(|name| name.eq_ignore_ascii_case(host.host())) {
        return Err("this port answers to localhost, 127.0.0.1 and [::1] only, and to the names in allowed_hosts");
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let own = |origin: &str| {
        let place = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        place == Some(host.as_str())
    };
    if !headers.get(header::ORIGIN).is_none_or(|origin| origin.to_str().is_ok_and(own)) {
        return Err("a page of another origin may not call this service");
    }
    match (text(&SEC_FETCH_SITE), text(&SEC_FETCH_MODE)) {
        (None | Some("same-origin" | "none"), _) => Ok(()),
        // A link of another page may lead here.
        (_, Some("navigate")) if *method == Method::GET => Ok(()),
        _ => Err("a page of another site may not call this service"),
    }
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn only_this_machine_and_its_own_page_reach_a_loopback_port() {
        let request = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri("/playground/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            check(request.method(), request.uri(), request.headers(), &["proxy.example".into()]).is_ok()
        };
        for (method, headers, want) in [
            ("GET", &[("host", "127.0.0.1:8080")][..], true),
            ("GET", &[("host", "localhost:8080")], true),
            ("GET", &[("host", "[::1]:8080")], true),
            ("GET", &[("host", "rebound.example:8080")], false),
            ("GET", &[("host", "Proxy.example:8080")], true),
            ("POST", &[("host", "proxy.example"), ("origin", "https://shop.example")], false),
            ("GET", &[("host", "127.0.0.1.example:8080")], false),
            ("GET", &[], false),
            ("POST", &[("host", "localhost:8080"), ("origin", "http://localhost:8080")], true),
            ("POST", &[("host", "localhost:8080"), ("origin", "http://localhost:9090")], false),
            ("POST", &[("host", "localhost:8080"), ("origin", "https://shop.example")], false),
            ("POST", &[("host", "localhost:8080"), ("origin", "null")], false),
            ("GET", &[("host", "localhost:8080"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")], false),
            (
                "GET",
                &[("host", "localhost:8080"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                true,
            ),
            (
                "POST",
                &[("host", "localhost:8080"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                false,
            ),
        ] {
            assert_eq!(request(method, headers), want, "{method} {headers:?}");
        }
    }
}
