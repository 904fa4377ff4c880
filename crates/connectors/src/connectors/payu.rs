//! PayU: OAuth tokens of its two platforms, GPO in Europe and PayU India.
//! <https://developers.payu.com/europe/docs/payment-flows/auth-and-order>

use crate::prelude::*;

const INDIA: Host = Host::named("india", "https://accounts.payu.in", "https://uat-accounts.payu.in");
const LIFETIME: Lifetime = Lifetime::Fixed(43_199);
const GPO_SCHEMA: Source = Source::schema("PayU GPO Europe REST API 2.1.0 (OpenAPI)");
const INDIA_PAGE: Source = Source::page("https://docs.payu.in/reference/get-token-api-payment-links");
const SAME_TOKEN: MintingEndsEarlier = MintingEndsEarlier::No("GPO's pages: the same token comes back until it ends");
const CLIENT_ID: Input = Input::text("client_id");
const CLIENT_SECRET: Input = Input::secret("client_secret");

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page(
    "https://developers.payu.com/europe/api/ and https://docs.payu.in/docs/get-client-id-and-secret-from-dashboard",
);

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    api_secret: Secret,
}

pub(super) struct Payu;

impl Connector for Payu {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "payu",
        name: "PayU",
        docs: "https://developers.payu.com/europe/docs/payment-flows/auth-and-order",
        unconfirmed: &[
            "That GPO's client ids are numbers and India's are not, by which the platform is told where region is not given.",
        ],
        evidence: &[
            Evidence::new("hosts, path, forms, reply, lifetime and refusals of GPO", GPO_SCHEMA, "2026-11"),
            Evidence::new(
                "the members email and ext_customer_id",
                Source::third_party("PyPI entirius-py-payu-sdk 2.0.0"),
                "2026-11",
            ),
            Evidence::new("hosts, path, form and reply of India, created_at", INDIA_PAGE, "2026-11"),
        ],
        mode_shown: ModeShown::No("POS ids are digits in both environments of GPO (its OpenAPI file has one of each)."),
        hosts: &[Host::main("https://secure.payu.com", "https://secure.snd.payu.com"), INDIA],
        credentials: &[required("api_key").found_in("Europe: the keys of the point of sale (POS): OAuth protocol - client_id; India: Merchant Dashboard > Developer > API Details: Client ID", KEYS), required("api_secret").found_in("Europe: the keys of the point of sale (POS): OAuth protocol - client_secret; India: Merchant Dashboard > Developer > API Details: Client Secret", KEYS)],
        grants: &[
            server_grant(
                "client_credentials",
                "make all order calls of the point of sale (GPO), or those of the scopes asked for (India)",
                Lifetime::InReply,
                client_credentials,
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET, Input::one_of("region", &["gpo", "india"])])
            .scopes(Scopes::Any)
            .lifetime_note("43199 s at GPO; at PayU India about 7200 s, which the partner can change"),
            server_grant(
                "trusted_merchant",
                "make all order calls of the point of sale, with the stored cards of one customer (GPO)",
                LIFETIME,
                trusted_merchant,
            )
            .inputs(&[
                CLIENT_ID,
                CLIENT_SECRET,
                Input::text("email").required(),
                Input::text("ext_customer_id").required(),
            ])
            .minting_ends_earlier(SAME_TOKEN),
            server_grant("partner", "manage the shops of one firm (GPO)", LIFETIME, partner)
                .inputs(&[CLIENT_ID, CLIENT_SECRET, Input::text("firm_id").required()])
                .minting_ends_earlier(SAME_TOKEN),
        ],
    };
}

fn client_credentials(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = client(credentials, exchange, "client_credentials");
            match (in_india(credentials, exchange), exchange.input.scopes.is_empty()) {
                (true, true) if exchange.input.text("region").or(exchange.input.text("client_id")).is_none() => {
                    let forms = "is no POS id of GPO, which is digits; PayU India wants scopes";
                    Err(Error::invalid_credential("api_key", forms))
                }
                (true, true) => {
                    Err(Error::missing_inputs(&["scopes"], "PayU India gives a token for named scopes only"))
                }
                (true, false) => Call::post(exchange.url_on(&INDIA, "/oauth/token")?)
                    .form(form.field("scope", &exchange.input.scope()))
                    .repeatable()
                    .send(),
                (false, false) => Err(Error::invalid_input("scopes", "PayU GPO has no scopes; region says which")),
                (false, true) => post_to_gpo(exchange, form),
            }
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn trusted_merchant(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = client(credentials, exchange, "trusted_merchant")
                .field("email", exchange.input.required_text("email")?)
                .field("ext_customer_id", exchange.input.required_text("ext_customer_id")?);
            post_to_gpo(exchange, form)
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn partner(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = client(credentials, exchange, "partner");
            post_to_gpo(exchange, form.field("firm_id", exchange.input.required_text("firm_id")?))
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn client(credentials: &Credentials, exchange: &Exchange<'_>, grant_type: &str) -> FormBody {
    let (id, secret) = pair(credentials, exchange);
    FormBody::new().field("grant_type", grant_type).field("client_id", id).field("client_secret", secret)
}

/// The OAuth client's id and secret. The inputs come before the credentials: a merchant's key and
/// salt of PayU India are not an OAuth client. Some routers keep the id of GPO, which is digits, as
/// the secret and the secret as the key: such a pair is taken the other way round.
fn pair<'a>(credentials: &'a Credentials, exchange: &Exchange<'a>) -> (&'a str, &'a str) {
    let (key, secret) = (credentials.api_key.expose(), credentials.api_secret.expose());
    let elsewhere = exchange.input.text("region") == Some("india") || exchange.input.text("client_id").is_some();
    let (id, secret) = match is_number(secret) && !is_number(key) && !elsewhere {
        true => (secret, key),
        false => (key, secret),
    };
    (exchange.input.text("client_id").unwrap_or(id), exchange.input.text("client_secret").unwrap_or(secret))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn in_india(credentials: &Credentials, exchange: &Exchange<'_>) -> bool {
    match exchange.input.text("region") {
        Some(region) => region == "india",
        None => !is_number(pair(credentials, exchange).0),
    }
}

fn post_to_gpo(exchange: &Exchange<'_>, form: FormBody) -> Result<Step> {
    Call::post(exchange.url("/pl/standard/user/oauth/authorize")?).form(form).repeatable().send()
}

fn token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let token = reply.accept::<oauth::AccessToken>(oauth::refusal)?.token(reply, exchange.grant)?;
    // PayU India states the moment from which the seconds count, by its own clock.
    match (token.expiry, reply.json::<Created>()?.created_at) {
        (Expiry::After(_, lifetime), Some(Seconds(created_at))) => {
            Ok(Step::Done(token.ends_by(Expiry::at_epoch(created_at.saturating_add(lifetime))?)))
        }
        _ => Ok(Step::Done(token)),
    }
}

#[derive(Deserialize)]
struct Created {
    created_at: Option<Seconds>,
}
