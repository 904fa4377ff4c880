//! The fence around calls: whatever URL a connector computes, a call goes to the connector's own hosts.

use std::{collections::BTreeMap, fmt::Write as _};

use connectors::Mode;
use daypass::BaseUrls;
use http::Uri;

/// Hosts that are the connector's in no case, in the notations that programs read as addresses.
const ELSEWHERE: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0x7f.1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "metadata.google.internal",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[fd00:ec2::254]",
    "[fe80::1%25eth0]",
    "localhost",
    "localhost.",
    "evil.example",
    "xn--pypal-4ve.com",
    "раураl.com",
    "。",
    "%6c%6f%63alhost",
    "1.1.1.1",
];

/// What can stand around a host of the connector so that another one is called. `H` is the host.
const AROUND: &[&str] = &[
    "https://H@evil.example",
    "https://H:443@evil.example",
    "https://H%40evil.example",
    "https://evil.example#H",
    "https://evil.example?H",
    "https://evil.example/H",
    "https://evil.example\\@H",
    "https://H\\.evil.example",
    "https://H.evil.example",
    "https://evil-H",
    "https://evilH",
    "https://evil.H",
    "https://H.",
    "https://H:444",
    "https://H:80",
    "https://H:0",
    "https://H:",
    "https://user@H",
    "https://user:word@H",
    "https://@H",
    "http://H",
    "ws://H",
    "ftp://H",
    "file://H",
    "//H",
    "H",
    "https:H",
    "https:/H",
    "https:///H",
    "https://H\r\n",
    "https://H\r\nx: y",
    "https://H%0d%0a",
    "https://H%00",
    "https://H ",
    "https:// H",
    "https://H\t",
    "https://[H]",
    "https://H%2eevil.example",
    "https://H%23.evil.example",
    "https://H,evil.example",
    "https://H;evil.example",
    "https://H&evil.example",
];

/// What can be given for a label in a host's name.
const LABELS: &[&str] = &[
    "",
    ".",
    "..",
    "a.b",
    "evil.example/",
    "evil.example#",
    "evil.example?",
    "evil.example\\",
    "a@evil.example",
    "a:1",
    "a:80@",
    "a%2eb",
    "a%2f",
    "a b",
    "a\r\n",
    "a\0",
    "*",
    "{prefix}",
    "a_b",
    "ä",
    "。",
    "a。b",
    "[::1]",
    "127.0.0.1",
];

/// The host that a URL leads to, read once more by hand: scheme, then what stands before the path and
/// after a user.
fn origin(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    Some((scheme, authority.rsplit_once('@').map_or(authority, |(_, host)| host)))
}

/// Whether this is a host of the base URL, whose `{…}` is one label.
fn is_of(base: &str, url: &str) -> bool {
    let (Some((scheme, host)), Some((of_scheme, of_host))) = (origin(url), origin(base)) else { return false };
    let mut labels = host.split('.');
    let mut wanted = of_host.split('.');
    let same = wanted.by_ref().all(|wanted| {
        let Some(label) = labels.next() else { return false };
        match wanted.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?.1))) {
            None => label.eq_ignore_ascii_case(wanted),
            Some((head, tail)) => {
                let inner = label.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
                inner.is_some_and(|inner| {
                    !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                })
            }
        }
    });
    scheme == of_scheme && same && labels.next().is_none()
}

#[test]
fn thousands_of_hostile_urls_reach_no_other_host() {
    let (mut cases, mut own, mut wrong) = (0_u32, 0_u32, String::new());
    for registration in connectors::CONNECTORS {
        let meta = registration.meta;
        let bases = BaseUrls::new(meta, &BTreeMap::new()).unwrap();
        for mode in [Mode::Test, Mode::Live] {
            let hosts = bases.of_mode(mode);
            let mut try_url = |url: &str| {
                cases += 1;
                // A text that is no URI is never sent.
                let Ok(uri) = url.parse::<Uri>() else { return };
                if bases.allow(mode, &uri) {
                    own += 1;
                    // The text that the request is made from, not the one that was given.
                    let sent = uri.to_string();
                    if !hosts.iter().any(|base| is_of(base, &sent) && is_of(base, url)) {
                        let _ = writeln!(wrong, "{} {}: {url:?}", meta.id, mode.label());
                    }
                }
            };
            for base in hosts {
                try_url(&format!("{}/v1/path", base.replace(['{', '}'], "")));
                let host = base.trim_start_matches("https://").replace(['{', '}'], "");
                for around in AROUND {
                    try_url(&around.replace('H', &host));
                    try_url(&format!("{}/v1/path", around.replace('H', &host)));
                }
                for elsewhere in ELSEWHERE {
                    try_url(&format!("https://{elsewhere}/v1/path"));
                    try_url(&format!("https://{host}@{elsewhere}/"));
                }
                if let Some((head, tail)) = base.split_once('{').and_then(|(a, b)| Some((a, b.split_once('}')?.1))) {
                    for label in LABELS {
                        try_url(&format!("{head}{label}{tail}/v1/path"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases >= 5_000, "{cases}");
    // The connectors' own URLs are among them, one for each host at least.
    assert!(own >= 100, "{own} of {cases}");
    println!("{cases} URLs, {own} to the connectors' own hosts, none elsewhere");
}
