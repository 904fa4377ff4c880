//! Itaú Unibanco: a bearer token of five minutes, in live tied to a client certificate.
//! <https://devportal.itau.com.br/>

use crate::prelude::*;

const LIFETIME: u32 = 300;

#[derive(Deserialize)]
pub struct Credentials {
    client_id: Secret,
    client_secret: Secret,
    certificates: Option<Secret>,
    private_key: Option<Secret>,
}

pub struct Itaubank;

impl Connector for Itaubank {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "itaubank",
        name: "Itaú Unibanco",
        docs: "https://devportal.itau.com.br/",
        unconfirmed: &["The shapes of the refusals."],
        hosts: &[Host::main("https://sts.itau.com.br", "https://sandbox.devportal.itau.com.br")],
        credentials: &[
            required("client_id"),
            required("client_secret"),
            optional("certificates"),
            optional("private_key"),
        ],
        grants: &[Grant::server_unconverted(
            "access_token",
            "use the APIs contracted for the client id, together with its certificate",
            Lifetime::Fixed(LIFETIME),
        )
        // Newer products name the second.
        .inputs(&[Input::one_of("token_path", &["/api/oauth/token", "/as/token.oauth2"])])],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        match exchange.replies {
            [] => {
                let form = FormBody::new()
                    .field("grant_type", "client_credentials")
                    .field("client_id", credentials.client_id.expose())
                    .field("client_secret", credentials.client_secret.expose());
                let path = match (exchange.mode, exchange.input.text("token_path")) {
                    (Mode::Live, path) => path.unwrap_or("/api/oauth/token"),
                    (Mode::Test, None) => "/api/oauth/jwt",
                    (Mode::Test, _) => return Err(Error::invalid_input("token_path", "the sandbox has one path only")),
                };
                let call = Call::post(exchange.url(path)?).form(form).repeatable();
                match exchange.mode {
                    Mode::Test => call.send(),
                    Mode::Live => {
                        let absent =
                            |name| Error::invalid_credential(name, "Itaú's live host wants a client certificate");
                        let certificates = credentials.certificates.as_ref().ok_or_else(|| absent("certificates"))?;
                        let private_key = credentials.private_key.as_ref().ok_or_else(|| absent("private_key"))?;
                        call.client_certificate(certificates, private_key).send()
                    }
                }
            }
            [reply, ..] => {
                let granted: Granted = reply.accept(refusal)?;
                let expiry = Expiry::after_reply(reply, granted.expires_in.unwrap_or(Seconds(LIFETIME.into())))?;
                let token_type = granted.token_type.unwrap_or("Bearer".into());
                Ok(Step::Done(Token::new(granted.access_token.expose(), token_type, expiry)?))
            }
        }
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

/// Itaú's own shape (`codigo`), the sandbox gateway's (`message`) and RFC 6749's (`error`). Of another body, the status is the code.
fn refusal(reply: &Reply) -> Refusal {
    let fields = encoding::faults_at(&reply.lenient(), "/campos", &["campo", "mensagem"]);
    let words = ["/mensagem", "/error_description", "/message"];
    let refusal = Refusal::read(reply, &["/codigo", "/error"], &words, &[]).reason(fields);
    let status = reply.json::<Value>().is_err().then(|| reply.status.to_string());
    Refusal { code: refusal.code.or(status), kind: oauth::refusal(reply).kind, ..refusal }
}
