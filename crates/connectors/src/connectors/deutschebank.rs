//! Deutsche Bank (directPOS): a bearer token for the merchant's payment services.
//! <https://testmerch.directpos.de/rest-api/apidoc/v2.1/index.html>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: Secret,
    client_key: Secret,
}

pub(super) struct Deutschebank;

impl Connector for Deutschebank {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "deutschebank",
        name: "Deutsche Bank",
        docs: "https://testmerch.directpos.de/rest-api/apidoc/v2.1/index.html",
        unconfirmed: &[
            "The live host: the bank's Security API document names the test host alone.",
            "The signature's key (client_key), its algorithm (HMAC-SHA-256) and the order of its parts (client_id, \
             X-RequestDate, X-RandomValue): the document names the parts only, the rest is what an open-source router sends.",
            "Refusals with rc and message, or as in RFC 6749: the document has cause and description.",
        ],
        evidence: &[
            Evidence::new(
                "path, headers X-RequestDate and X-RandomValue, members of the request, the reply and errors",
                Source::schema("the bank's OpenAPI document Merchant-Server II REST Security API 1.0.0"),
                "2026-11",
            ),
            Evidence::new(
                "the signature, and the test host",
                Source::third_party("an open-source payments router, connector deutschebank"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("No document describes the form of client ids; the hosts differ."),
        hosts: &[Host::main("https://merch.directpos.de", "https://testmerch.directpos.de")],
        credentials: &[required("client_id"), required("client_key"), optional("merchant_id").public()],
        grants: &[server_grant(
            "client_credentials",
            "use the payment services of the merchant",
            Lifetime::InReply,
            client_credentials,
        )],
    };
}

fn client_credentials(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let client_id = credentials.client_id.expose();
            let date = exchange.http_date()?;
            let random: String = exchange.nonce.hex().chars().take(50).collect();
            // The field client_secret holds a signature over the id and the two headers. The key
            // itself is not sent.
            let signed = [client_id.as_bytes(), date.as_bytes(), random.as_bytes()];
            let signature = encoding::base64(crypto::hmac_sha256(credentials.client_key.expose(), &signed));
            let form = FormBody::new()
                .field("grant_type", "client_credentials")
                .field("client_id", client_id)
                .field("client_secret", &format!("V1:{signature}"))
                .field("scope", "ftx");
            Call::post(exchange.url("/rest-api/security/v1/token")?)
                .header("x-requestdate", &date)
                .header("x-randomvalue", &random)
                .form(form)
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let granted: oauth::AccessToken = reply.accept(refusal)?;
            Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
        }
    }
}

/// The form of the Security API (`cause`), that of the bank's other services (`rc`) and that of
/// RFC 6749 (`error`).
fn refusal(reply: &Reply) -> Refusal {
    let code = &["/cause", "/rc", "/error"];
    let refusal = reply.refusal(code, &["/description", "/message", "/error_description"], &[]);
    let kind = match refusal.code.as_deref() {
        Some("unauthorized") => Some(Kind::CredentialsRejected),
        // Beside an rc, the code of RFC 6749 tells the kind.
        _ => oauth::refusal(reply).kind,
    };
    refusal.kind(kind)
}
