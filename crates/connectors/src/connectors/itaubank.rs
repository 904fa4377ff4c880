//! Itaú Unibanco: a bearer token of five minutes, in live tied to a client certificate.
//! <https://devportal.itau.com.br/>

use crate::prelude::*;

/// The lifetime of a token where the answer has no `expires_in`, in seconds.
const LIFETIME: u32 = 300;

/// Where the bank says how the certificate of live calls is made.
const CERTIFICATE: Source = Source::page("Itaú devportal, Certificado dinâmico");

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: Secret,
    client_secret: Secret,
    certificates: Option<Secret>,
    private_key: Option<Secret>,
}

pub(super) struct Itaubank;

impl Connector for Itaubank {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "itaubank",
        name: "Itaú Unibanco",
        docs: "https://devportal.itau.com.br/",
        unconfirmed: &[
            "The shapes of the refusals but message, which an integrator's tests have.",
            "Whether a second token ends the first.",
        ],
        evidence: &[
            Evidence::new(
                "mutual TLS in production and none in the sandbox, five minutes",
                Source::page("https://devportal.itau.com.br, Autenticação mTLS and Certificado dinâmico"),
                "2026-11",
            ),
            Evidence::new(
                "addresses of all three token calls, members of the form, five minutes, the refusal message",
                Source::third_party("ten integrations on GitHub, in six languages, that call the same addresses"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "The bank's pages and public integrations show no form that tells the environments apart.",
        ),
        hosts: &[Host::main("https://sts.itau.com.br", "https://sandbox.devportal.itau.com.br")],
        credentials: &[
            required("client_id").public(),
            required("client_secret"),
            optional("certificates")
                .found_in("The bank issues it for your certificate request (dynamic certificate)", CERTIFICATE),
            optional("private_key").found_in("You make it, for the certificate request", CERTIFICATE),
        ],
        grants: &[server_grant(
            "access_token",
            "use the APIs contracted for the client id, together with its certificate",
            Lifetime::Fixed(LIFETIME),
            access_token,
        )
        // The documents of newer products name the second path.
        .inputs(&[Input::one_of("token_path", &["/api/oauth/token", "/as/token.oauth2"])])],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => token_call(credentials, exchange),
        [reply, ..] => {
            let granted: Granted = reply.accept(refusal)?;
            let expiry = Expiry::after_reply(reply, granted.expires_in.unwrap_or(Seconds(LIFETIME.into())))?;
            let token_type = granted.token_type.unwrap_or("Bearer".into());
            Ok(Step::Done(Token::new(granted.access_token.expose(), token_type, expiry)?))
        }
    }
}

fn token_call(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let form = FormBody::new()
        .field("grant_type", "client_credentials")
        .field("client_id", credentials.client_id.expose())
        .field("client_secret", credentials.client_secret.expose());
    let token_path = exchange.input.text("token_path");
    match exchange.mode {
        Mode::Test if token_path.is_some() => Err(Error::invalid_input("token_path", "the sandbox has one path only")),
        Mode::Test => Call::post(exchange.url("/api/oauth/jwt")?).form(form).repeatable().send(),
        Mode::Live => {
            let url = exchange.url(token_path.unwrap_or("/api/oauth/token"))?;
            let absent = |name| Error::invalid_credential(name, "Itaú's live host wants a client certificate");
            let certificates = credentials.certificates.as_ref().ok_or_else(|| absent("certificates"))?;
            let private_key = credentials.private_key.as_ref().ok_or_else(|| absent("private_key"))?;
            Call::post(url).form(form).repeatable().client_certificate(certificates, private_key).send()
        }
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    #[serde(default, deserialize_with = "encoding::lenient")]
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

/// A refusal has Itaú's own form (`codigo`), that of the sandbox's gateway (`message`) or that of
/// RFC 6749 (`error`). Where the body is not JSON, the status is the code.
fn refusal(reply: &Reply) -> Refusal {
    let fields = encoding::faults_at(&reply.lenient(), "/campos", &["campo", "mensagem"]);
    let words = ["/mensagem", "/error_description", "/message"];
    let refusal = reply.refusal(&["/codigo", "/error"], &words, &[]).reason(fields);
    let kind = oauth::kind(refusal.code.as_deref());
    let status = reply.json::<Value>().is_err().then(|| reply.status.to_string());
    Refusal { code: refusal.code.or(status), kind, ..refusal }
}
