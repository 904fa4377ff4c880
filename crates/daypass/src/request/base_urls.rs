//! The hosts that calls of a connector may go to. The settings check them, the exchange enforces
//! them.

use std::collections::BTreeMap;

use connectors::{Host, Meta, Mode};
use http::{
    Uri,
    uri::{Authority, Scheme},
};
use thiserror::Error;

/// The hosts that the calls of one connector go to: its own, or the operator's replacements.
#[derive(Clone, Debug)]
pub struct BaseUrls {
    live: Bases,
    test: Bases,
}

/// The base URLs of one mode, in the order of the connector's hosts.
#[derive(Clone, Debug)]
struct Bases {
    urls: Vec<String>,
    /// Hash of the URLs.
    digest: [u8; 32],
    /// The origin of each that is a URL.
    origins: Vec<Origin>,
}

/// The scheme and the host of calls.
#[derive(Clone, Debug)]
enum Origin {
    /// These.
    Exact(Scheme, Authority),
    /// Any DNS label between these two parts of `scheme://host`.
    Labelled(String, String),
}

/// A base URL in the settings that cannot be used: the setting's key and the fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {fault}")]
pub struct BaseUrlError {
    key: String,
    fault: UrlFault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum UrlFault {
    #[error("unknown setting")]
    UnknownKey,
    #[error("not a URL")]
    NotAUrl,
    #[error("a URL needs a host")]
    NoHost,
    #[error("must be https (http to loopback only)")]
    NotHttps,
    #[error("must be scheme, host and path only")]
    NotABase,
}

impl BaseUrls {
    /// The connector's hosts with the operator's replacements, by the settings' keys. A replaced
    /// main host stands for every host of the connector that has no replacement of its own.
    ///
    /// # Errors
    /// The first key or URL that cannot be used.
    pub fn new(meta: &Meta, replaced: &BTreeMap<String, String>) -> Result<Self, BaseUrlError> {
        for (key, url) in replaced {
            let known = |host: &Host| host.key(Mode::Live) == *key || host.key(Mode::Test) == *key;
            let known = if meta.hosts.iter().any(known) { Ok(()) } else { Err(UrlFault::UnknownKey) };
            known.and_then(|()| check(url)).map_err(|fault| BaseUrlError { key: key.clone(), fault })?;
        }
        let of = |mode: Mode| {
            let main = meta.hosts.first().and_then(|host| replaced.get(&host.key(mode)));
            let base = |host: &Host| replaced.get(&host.key(mode)).or(main).map_or(host.of(mode), String::as_str);
            Bases::of(meta.hosts.iter().map(|host| base(host).trim_end_matches('/').to_owned()).collect())
        };
        Ok(Self { live: of(Mode::Live), test: of(Mode::Test) })
    }

    /// The base URLs of a mode, in the order of the connector's hosts.
    pub fn of_mode(&self, mode: Mode) -> &[String] {
        &self.bases(mode).urls
    }

    /// A hash of the base URLs of a mode.
    pub(crate) fn digest(&self, mode: Mode) -> &[u8; 32] {
        &self.bases(mode).digest
    }

    fn bases(&self, mode: Mode) -> &Bases {
        match mode {
            Mode::Live => &self.live,
            Mode::Test => &self.test,
        }
    }

    /// `host[:port]` of every base URL.
    pub fn authorities(&self) -> Vec<String> {
        let parsed = self.live.urls.iter().chain(&self.test.urls).filter_map(|base| base.parse::<Uri>().ok());
        parsed.filter_map(|uri| Some(uri.authority()?.to_string())).collect()
    }

    /// Whether a call may go to this URI: scheme and host equal those of a base URL. A `{label}` in
    /// a base URL stands for one DNS label.
    pub fn allow(&self, mode: Mode, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
        self.bases(mode).origins.iter().any(|origin| match origin {
            Origin::Exact(allowed_scheme, allowed) => allowed_scheme == scheme && allowed == authority,
            Origin::Labelled(head, tail) => {
                let origin = format!("{scheme}://{authority}");
                origin.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)).is_some_and(|label| {
                    !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                })
            }
        })
    }
}

impl Bases {
    fn of(urls: Vec<String>) -> Self {
        let origins = urls.iter().filter_map(|url| Origin::of(url)).collect();
        // No URL has a line break.
        let digest = blake3::hash(urls.join("\n").as_bytes()).into();
        Self { urls, digest, origins }
    }
}

impl Origin {
    /// The origin of a base URL. `None` where it is no URL: no call goes there.
    fn of(url: &str) -> Option<Self> {
        if let Some((head, rest)) = url.split_once('{')
            && let Some((_, tail)) = rest.split_once('}')
        {
            return Some(Self::Labelled(head.into(), tail.into()));
        }
        let uri = url.parse::<Uri>().ok()?.into_parts();
        Some(Self::Exact(uri.scheme?, uri.authority?))
    }
}

/// https, or http to loopback; a host; no user, query or fragment.
fn check(url: &str) -> Result<(), UrlFault> {
    let uri: Uri = url.parse().map_err(|_| UrlFault::NotAUrl)?;
    let host = uri.host().ok_or(UrlFault::NoHost)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if loopback => {}
        _ => return Err(UrlFault::NotHttps),
    }
    if uri.query().is_some() || url.contains('@') || url.contains('#') {
        return Err(UrlFault::NotABase);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta = Meta {
        id: "x",
        name: "X",
        docs: "",
        unconfirmed: &[],
        evidence: &[],
        mode_shown: connectors::ModeShown::No(""),
        hosts: &[
            Host::main("https://{prefix}-live.vendor.example", "https://test.vendor.example"),
            Host::named("auth", "https://auth.vendor.example", "https://auth-test.vendor.example"),
        ],
        credentials: &[],
        grants: &[],
    };

    fn replaced(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, url)| (key.to_string(), url.to_string())).collect()
    }

    #[test]
    fn a_replaced_main_host_stands_for_all() {
        let settings = replaced(&[("test_base_url", "http://127.0.0.1:9/")]);
        let bases = BaseUrls::new(&META, &settings).unwrap();
        assert_eq!(bases.of_mode(Mode::Test), ["http://127.0.0.1:9", "http://127.0.0.1:9"]);
        assert_eq!(bases.of_mode(Mode::Live), ["https://{prefix}-live.vendor.example", "https://auth.vendor.example"]);
        let settings = replaced(&[("auth_base_url", "https://a.example"), ("base_url", "https://b.example")]);
        let bases = BaseUrls::new(&META, &settings).unwrap();
        assert_eq!(bases.of_mode(Mode::Live), ["https://b.example", "https://a.example"]);
    }

    #[test]
    fn only_https_or_loopback() {
        for (url, good) in [
            ("https://proxy.example/stripe", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://vendor.example", false),
            ("http://127.0.0.1.vendor.example", false),
            ("https://user@vendor.example", false),
            ("https://vendor.example?x=1", false),
            ("ftp://vendor.example", false),
            ("vendor.example", false),
            ("", false),
        ] {
            assert_eq!(check(url).is_ok(), good, "{url}");
        }
        assert!(BaseUrls::new(&META, &replaced(&[("bse_url", "https://a.example")])).is_err());
    }

    #[test]
    fn calls_go_to_the_bases_and_nowhere_else() {
        let bases = BaseUrls::new(&META, &BTreeMap::new()).unwrap();
        for (uri, allowed) in [
            ("https://abc-live.vendor.example/v1", true),
            ("https://auth.vendor.example/v1", true),
            ("https://a.b-live.vendor.example/", false),
            ("https://evil.example/-live.vendor.example", false),
            ("https://-live.vendor.example/", false),
            ("http://auth.vendor.example/v1", false),
            ("https://auth.vendor.example.evil.example/", false),
            ("https://auth.vendor.example:444/", false),
            ("https://test.vendor.example/", false),
        ] {
            assert_eq!(bases.allow(Mode::Live, &uri.parse().unwrap()), allowed, "{uri}");
        }
    }
}
