//! Getnet: bearer tokens with all of the merchant's rights, for the Regional API and for Web
//! Checkout.
//! <https://docs.globalgetnet.com/>

use crate::prelude::*;

const PATH: &str = "/authentication/oauth2/access_token";
/// Web Checkout has the Regional API's live host and a test host of its own (homologation).
const WEB_CHECKOUT: Host =
    Host::named("web_checkout", "https://api.globalgetnet.com", "https://api.pre.globalgetnet.com");

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page(
    "https://docs.globalgetnet.com/en/products/online-payments/regional-api?doc=first-step-authentication",
);

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    api_secret: Secret,
}

pub(super) struct Getnet;

impl Connector for Getnet {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "getnet",
        name: "Getnet",
        docs: "https://docs.globalgetnet.com/",
        unconfirmed: &[
            "The one hour that a token lives (each answer says it).",
            "The gateway's refusals, with error_code and message.",
            "The scope oob of Web Checkout; one integrator sends it, another does not.",
            "Whether a second token ends the first.",
        ],
        evidence: &[
            Evidence::new(
                "access_token: test host, path, Basic authentication, form; statuses and form of refusals",
                Source::page("https://docs.globalgetnet.com, Regional API Authentication and OAuth2 Token API"),
                "2026-11",
            ),
            Evidence::new(
                "live host and path of both grants",
                Source::third_party("a Java connector and other integrations on GitHub"),
                "2026-11",
            ),
            Evidence::new(
                "web_checkout_access_token: hosts, form with client_id and client_secret, no Basic authentication",
                Source::third_party("integrations by Getnet's Web Checkout manual (UAT and production) on GitHub"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "The vendor's pages and public integrations show no form that tells the environments apart.",
        ),
        hosts: &[Host::main("https://api.globalgetnet.com", "https://api-sbx.globalgetnet.com"), WEB_CHECKOUT],
        credentials: &[
            required("api_key")
                .public()
                .found_in("Sandbox: the developer portal; live: the Getnet team hands it out: Client ID", KEYS),
            required("api_secret")
                .found_in("Sandbox: the developer portal; live: the Getnet team hands it out: Client Secret", KEYS),
            optional("seller_id")
                .public()
                .found_in("Sandbox: the developer portal; live: the Getnet team hands it out: Seller ID", KEYS),
        ],
        grants: &[
            server_grant(
                "access_token",
                "call every Regional API of the merchant: payments, refunds, card tokens",
                Lifetime::Fixed(3600),
                access_token,
            ),
            server_grant(
                "web_checkout_access_token",
                "call Getnet Web Checkout: make payment intents and read them",
                Lifetime::Fixed(3600),
                web_checkout_access_token,
            ),
        ],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url(PATH)?)
            .basic(credentials.api_key.expose(), credentials.api_secret.expose())
            .form(FormBody::new().field("grant_type", "client_credentials"))
            .repeatable()
            .send(),
        [reply, ..] => token(exchange, reply),
    }
}

/// Another product, whose token call has the credentials in the form.
fn web_checkout_access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = FormBody::new()
                .field("scope", "oob")
                .field("grant_type", "client_credentials")
                .field("client_id", credentials.api_key.expose())
                .field("client_secret", credentials.api_secret.expose());
            Call::post(exchange.url_on(&WEB_CHECKOUT, PATH)?).form(form).repeatable().send()
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let granted: oauth::AccessToken = reply.accept(refusal)?;
    Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
}

/// The token service refuses in the form of RFC 6749 (`error`), the gateway before it in a form of
/// its own (`error_code`).
fn refusal(reply: &Reply) -> Refusal {
    let details = encoding::faults_at(&reply.lenient(), "/details", &["field", "message"]);
    let refusal = reply.refusal(&["/error", "/error_code"], &["/error_description", "/message"], &[]);
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.reason(details).kind(kind)
}
