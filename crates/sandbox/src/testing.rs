//! The harness that the tests of the fakes use, and the tests that run over all fakes.

use serde_json::Value;

use crate::{
    http::{Answer, Request},
    token_use::{ClientCall, ClientToken, refused},
    vendor::FakeVendor,
    vendor_state::VendorState,
    vendors::{VENDORS, fake_vendor},
};

/// 2027-01-15 08:00:00 UTC.
pub(crate) const NOW: i64 = 1_800_000_000;

/// One fake and its state.
pub(crate) struct Fake {
    pub vendor: &'static FakeVendor,
    pub state: VendorState,
}

impl Fake {
    pub(crate) fn new(name: &str) -> Self {
        Self { vendor: fake_vendor(name).expect("a fake"), state: VendorState::new(7, NOW) }
    }

    /// Sends a request. A body in braces is JSON, another body is a form; the headers can change
    /// it.
    pub(crate) fn send(&mut self, call: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let headers = [("content-type", kind)]
            .into_iter()
            .chain(headers.iter().copied())
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let target = format!("/{}{path}", self.vendor.name);
        self.vendor.answer(&Request::new(method, &target, headers.collect(), body.to_owned()), &mut self.state)
    }

    pub(crate) fn ask(&mut self, call: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let answer = self.send(call, headers, body);
        (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
    }

    pub(crate) fn client(&mut self, call: &ClientCall) -> Answer {
        let headers = call.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        self.vendor.answer(&Request::new(call.method, &call.path, headers, call.body.clone()), &mut self.state)
    }

    /// Checks a new token: it allows the call of its grant until it expires, and not the other
    /// call. The fake refuses the same call with an unknown token.
    pub(crate) fn check_token_use(&mut self, grant: &str, token: &Value, parameters: &[&str], lifetime: Option<i64>) {
        let token_use = self.vendor.clients.iter().find(|it| it.grant == grant).expect("the grant's token use");
        let parameters = parameters.iter().map(|value| (value.to_string(), value.to_string())).collect();
        let token = token.as_str().unwrap_or_else(|| panic!("{grant}: no token")).to_owned();
        let client = ClientToken { token, client_parameters: parameters, reference: "tok_1".to_owned() };
        let refuses = |fake: &mut Self, call: &ClientCall| {
            let answer = fake.client(call);
            refused(answer.status, &answer.body)
        };
        let (allowed, forbidden) = ((token_use.allowed)(&client), (token_use.forbidden)(&client));
        assert!(refuses(self, &forbidden), "{grant}: {}", forbidden.title);
        if let Some(lifetime) = lifetime {
            let issued_at = self.state.now;
            self.state.now = issued_at + lifetime;
            assert!(refuses(self, &allowed), "{grant}: valid after its lifetime");
            self.state.now = issued_at + lifetime - 1;
        }
        assert!(!refuses(self, &allowed), "{grant}: {}: {:?}", allowed.title, self.client(&allowed));
        let unknown = ClientToken { token: "c3RyYW5nZXI=".to_owned(), ..client };
        assert!(refuses(self, &(token_use.allowed)(&unknown)), "{grant}: accepts any token");
    }
}

#[test]
fn credentials_are_objects_and_names_are_in_order() {
    for vendor in VENDORS {
        let credentials = serde_json::from_str::<Value>(vendor.credentials).expect(vendor.name);
        assert!(credentials.is_object(), "{}", vendor.name);
    }
    assert!(VENDORS.is_sorted_by_key(|vendor| vendor.name), "the list is by name");
}

/// Every switch, in every place that can hold a credential.
#[test]
fn a_word_in_a_credential_makes_any_fake_fail() {
    for vendor in VENDORS {
        let places =
            ["Bearer sk_test_WORD".to_owned(), "Basic ".to_owned()].into_iter().map(|it| ("authorization", it));
        let places = places.chain(vendor.secrets.iter().map(|name| (*name, "a_WORD".to_owned())));
        for (name, value) in places {
            let mut fake = Fake::new(vendor.name);
            let mut fail = |word: &str| {
                use base64::Engine;
                let basic = base64::prelude::BASE64_STANDARD.encode(format!("user:a_{word}"));
                let value = if value == "Basic " { format!("Basic {basic}") } else { value.replace("WORD", word) };
                fake.send("POST /any/path", &[(name, &value)], "")
            };
            for (word, status) in
                [("wrong", 401), ("invalid", 401), ("revoked", 401), ("decline_403", 403), ("decline_503", 503)]
            {
                let answer = fail(word);
                assert!(refused(answer.status, &answer.body), "{} {name} {word}", vendor.name);
                // Some vendors refuse a key with 400 or 403, or anything with 200.
                let fits =
                    [status, 200].contains(&answer.status) || status == 401 && [400, 403].contains(&answer.status);
                assert!(fits, "{} {name} {word}", vendor.name);
            }
            assert!(fail("decline_429").headers.contains(&("retry-after", "7".to_owned())), "{}", vendor.name);
            let garbage = fail("garbage");
            assert!(garbage.status == 200 && serde_json::from_str::<Value>(&garbage.body).is_err());
        }
    }
}

/// Random changes of bodies and headers, on every path of the token uses and on unusual paths.
#[test]
fn no_request_makes_a_fake_panic() {
    let odd = [
        "",
        "{",
        "{}",
        "[]",
        "null",
        "\u{0}",
        "a=%ff&=&&b[[]=1&[",
        "{\"query\":\"{a(b:{c:[$d]})}\"}",
        "\"é\"",
        "mode=setup&expires_at=9e9",
    ];
    for vendor in VENDORS {
        let mut fake = Fake::new(vendor.name);
        let client = ClientToken { token: "é_secret_".to_owned(), ..ClientToken::default() };
        let mut paths: Vec<String> = vendor
            .clients
            .iter()
            .flat_map(|it| [(it.allowed)(&client), (it.forbidden)(&client)])
            .map(|it| it.path)
            .collect();
        paths.extend(
            ["", "/", "//", "/é", "/v1/oauth2/token", "/v72/sessions", "/v1/checkout/sessions", "/graphql"]
                .map(|it| format!("/{}{it}", vendor.name)),
        );
        for path in paths {
            for round in 0..400 {
                let mut body = odd[round % odd.len()].as_bytes().to_vec();
                if round >= odd.len() {
                    let noise = fake.state.bytes(1 + round % 8);
                    let at = round % (body.len() + 1);
                    body.splice(at..at, noise);
                }
                let text = String::from_utf8_lossy(&body).into_owned();
                let kind = ["application/json", "application/x-www-form-urlencoded", "é;", ""][round % 4];
                let auth = ["Bearer sk_test_1", "Basic YTpi", "Basic é", &text][round / 4 % 4];
                let headers = [
                    ("content-type", kind),
                    ("authorization", auth),
                    ("x-api-key", &text),
                    ("stripe-version", &text),
                    ("braintree-version", "2019-01-01"),
                    ("paypal-auth-assertion", &text),
                ];
                let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
                let method = ["POST", "GET", "DELETE", "é"][round / 7 % 4];
                vendor.answer(&Request::new(method, &path, headers, body), &mut fake.state);
            }
        }
    }
}
