//! PlacetoPay: a page for one visitor, to store a card or to pay one amount.
//! <https://docs.placetopay.dev/en/checkout>

use crate::prelude::*;

/// The bounds are from memory; the library asks for a day where the caller names no moment.
const LIFETIME: Lifetime = Lifetime::Settable { min: 300, default: 1800, max: 86_400 };

const LIBRARY: Source = Source::sdk("GitHub dnetix/redirection (PHP library)");
/// The backend asks with it for the result. The page does not need it, though its address has it.
const SERVER_PARAMETERS: &[&str] = &["request_id"];
const EACH_CALL: MintingEndsEarlier = MintingEndsEarlier::No("each call makes a session of its own (PHP library)");
const RETURN_URL: Input = Input::url("return_url").required();
const IP_ADDRESS: Input = Input::text_of("ip_address", 46).required();
const USER_AGENT: Input = Input::text("user_agent").required();
const LOCALE: Input = Input::text_of("locale", 5);
const BUYER: Input = Input::object("buyer");

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::sdk("repository placetopay-org/placetopay-docs, src/pages/authentication.mdx");

#[derive(Deserialize)]
pub(super) struct Credentials {
    login: Secret,
    tran_key: Secret,
}

pub(super) struct Placetopay;

impl Connector for Placetopay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "placetopay",
        name: "PlacetoPay",
        docs: "https://docs.placetopay.dev/en/checkout",
        unconfirmed: &[
            "That a session may be asked to last between five minutes and a day.",
            "The hosts, and the numbers in the messages of refusals.",
            "A reference has at most 32 characters; the library only refuses blanks.",
        ],
        evidence: &[
            Evidence::new("path, auth with nonce and seed, members of the request, and reply", LIBRARY, "2026-11"),
            Evidence::new(
                "the digest by SHA-256",
                Source::third_party("public types after docs.placetopay.dev/checkout (GitHub)"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Logins and keys have no form that the library or the pages document."),
        hosts: &[Host::main("https://checkout.placetopay.com", "https://checkout-test.placetopay.com")],
        credentials: &[
            required("login").public().found_in("PlacetoPay hands it out at the start of the integration: login", KEYS),
            required("tran_key").found_in("PlacetoPay hands it out at the start of the integration: secretKey", KEYS),
        ],
        grants: &[
            client_grant("subscription_session", "store one card on the hosted page", LIFETIME, subscription_session)
                .by_default()
                .inputs(&[RETURN_URL, IP_ADDRESS, USER_AGENT, LOCALE, BUYER, Input::text("description")])
                .worst_case(
                    "store a card, its own or a stolen one, and see the buyer's data that was put into the page",
                    &[Bound::Object],
                )
                .client_source(LIBRARY)
                .server_parameters(SERVER_PARAMETERS)
                .minting_ends_earlier(EACH_CALL),
            client_grant("payment_session", "pay that one amount on the hosted page", LIFETIME, payment_session)
                .inputs(&[
                    RETURN_URL,
                    IP_ADDRESS,
                    USER_AGENT,
                    LOCALE,
                    BUYER,
                    Input::object("payment").amounts("amount.total is in major units: 10.50 is USD 10.50").required(),
                ])
                .worst_case(
                    "pay that amount, so try stolen cards on it (card testing), and see the buyer's data of the page",
                    &[Bound::Amount, Bound::Object],
                )
                .client_source(LIBRARY)
                .server_parameters(SERVER_PARAMETERS)
                .minting_ends_earlier(EACH_CALL),
        ],
    };
}

fn subscription_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut subscription = Map::new();
            exchange.input.copy_into(&mut subscription, &[("description", "description")]);
            post(credentials, exchange, "subscription", subscription)
        }
        [reply, ..] => session(exchange, reply),
    }
}

fn payment_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let payment = exchange.input.required_value("payment")?.as_object();
            post(credentials, exchange, "payment", payment.cloned().unwrap_or_default())
        }
        [reply, ..] => session(exchange, reply),
    }
}

fn session(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let answer: Answer = reply.accept(refusal)?;
    if answer.status.status != "OK" {
        return Err(reply.refuse(refusal(reply)));
    }
    let (Some(process_url), Some(request_id)) = (answer.process_url, answer.request_id) else {
        return Err(Error::bad_reply("PlacetoPay's answer has no session in it"));
    };
    let token = Token::new(&process_url, "process_url", Expiry::at_epoch(exchange.expires_at())?)?;
    Ok(Step::Done(token.server("request_id", request_id.to_string())))
}

fn post(
    credentials: &Credentials,
    exchange: &Exchange<'_>,
    purpose: &str,
    mut details: Map<String, Value>,
) -> Result<Step> {
    let input = exchange.input;
    let (nonce, seed) = (exchange.nonce.hex(), iso(exchange.now));
    let digest = crypto::sha256(&[nonce.as_bytes(), seed.as_bytes(), credentials.tran_key.expose().as_bytes()]);
    let expiration = exchange.expires_on()?;
    let mut body = Map::new();
    input.copy_into(
        &mut body,
        &[("return_url", "returnUrl"), ("ip_address", "ipAddress"), ("user_agent", "userAgent"), ("buyer", "buyer")],
    );
    let auth = json!({
        "login": credentials.login.expose(),
        "tranKey": encoding::base64(digest),
        "nonce": encoding::base64(&nonce),
        "seed": seed,
    });
    body.insert("auth".into(), auth);
    body.insert("locale".into(), json!(input.text("locale").unwrap_or("es_CO")));
    body.insert("expiration".into(), json!(iso(expiration)));
    // No blanks (PHP library), at most 32 characters (memory).
    details.entry("reference").or_insert_with(|| json!(exchange.object_reference(32, "-_")));
    body.insert(purpose.into(), details.into());
    Call::post(exchange.url("/api/session")?).json(&body).repeatable().send()
}

fn iso(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default, deserialize_with = "encoding::lenient")]
    status: Status,
    request_id: Option<u64>,
    process_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "encoding::lenient")]
    status: String,
}

fn refusal(reply: &Reply) -> Refusal {
    // The framework in front of the API has one message.
    let refusal = reply.refusal(&["/status/reason"], &["/status/message", "/message"], &[]);
    let kind = match refusal.code.as_deref() {
        Some("401") => Some(Kind::CredentialsRejected),
        Some("BR") => Some(Kind::RequestRejected),
        _ => None,
    };
    refusal.kind(kind)
}
