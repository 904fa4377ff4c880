//! Volt: an embedded checkout for one payment, and the API user's own access token.
//! <https://docs.volt.io/gateway/>

use crate::prelude::*;

/// The older gateway, with a login of its own.
const API: Host = Host::named("api", "https://api.volt.io", "https://api.sandbox.volt.io");
/// Volt's bound on the unique reference, in letters and digits.
const MAX_REFERENCE: usize = 18;
const LOGIN_PAGE: Source = Source::page("https://docs.volt.io/docs/first_payment/authenticate/");
const DROPIN_PAGE: Source =
    Source::page("https://docs-new.volt.io/api-reference/gateway-legacy/payments/post-dropin-payment");

/// Where the vendor says which credentials there are.
const KEYS: Source =
    Source::page("https://docs.volt.io/global-api-payment-processing/how-api-works/api-authentication/");

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: Secret,
    password: Secret,
    client_id: Secret,
    client_secret: Secret,
}

pub(super) struct Volt;

impl Connector for Volt {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "volt",
        name: "Volt",
        docs: "https://docs.volt.io/gateway/",
        unconfirmed: &[
            "The shape of the token call's refusals.",
            "The fields id and token in the answer to an embedded payment, and that its token goes to the client.",
            "The hosts of the current gateway, and its 86400 seconds.",
        ],
        evidence: &[
            Evidence::new("host, form and reply of the older login, its hour", LOGIN_PAGE, "2026-11"),
            Evidence::new(
                "the four credentials, and that expires_in says the life of a token",
                Source::page("https://docs.volt.io/gateway/authentication/"),
                "2026-11",
            ),
            Evidence::new("path, members and bounds of an embedded payment", DROPIN_PAGE, "2026-11"),
        ],
        mode_shown: ModeShown::No("Volt's pages give the four credentials no form that shows it."),
        hosts: &[Host::main("https://gateway.volt.io", "https://gateway.sandbox.volt.io"), API],
        credentials: &[
            required("username")
                .public()
                .found_in("Fuzebox > Configuration > Customers > the customer > Credentials: username", KEYS),
            required("password")
                .found_in("Fuzebox > Configuration > Customers > the customer > Credentials: password", KEYS),
            required("client_id")
                .public()
                .found_in("Fuzebox > Configuration > Applications > the application: client_id", KEYS),
            required("client_secret")
                .found_in("Fuzebox > Configuration > Applications > the application: client_secret", KEYS),
        ],
        grants: &[
            client_grant("embedded_payment", "authorise that one payment", Lifetime::Unpublished, embedded_payment)
                .inputs(&[
                    Input::minor_units_from("amount", 1).required(),
                    Input::currency("currency").required(),
                    Input::one_of("type", &["BILL", "GOODS", "PERSON_TO_PERSON", "SERVICES", "OTHER"]).required(),
                    Input::object("shopper").required(),
                    Input::text("bank"),
                    Input::text("callback"),
                    Input::url("notification_url"),
                ])
                .worst_case("authorise that payment at a bank of the holder", &[Bound::Amount, Bound::Object])
                .client_parameters(&[ClientParameter::new("payment_id", "Volt's payment", "Volt's checkout script")])
                .minting_ends_earlier(MintingEndsEarlier::No("each call makes a payment of its own (Volt's page)")),
            server_grant(
                "access_token",
                "pay, refund, pay out, read the account",
                Lifetime::Fixed(86_400),
                access_token,
            )
            .lifetime_note("the older gateway gave an hour; the answer says it"),
        ],
    };
}

fn embedded_payment(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let login = login(credentials);
            let form = login.iter().fold(FormBody::new(), |form, (name, value)| form.field(name, value));
            Call::post(exchange.url_on(&API, "/oauth")?).form(form).repeatable().send()
        }
        [login] => Call::post(exchange.url_on(&API, "/dropin")?)
            .bearer(login.accept::<oauth::AccessToken>(refusal)?.access_token.expose())
            .json(&payment(exchange)?)
            .send(),
        [login, reply, ..] => {
            let made: Payment = reply.accept(refusal)?;
            if made.token == login.json::<oauth::AccessToken>()?.access_token.expose() {
                return Err(Error::bad_reply("Volt gave the API user's token in place of the payment's"));
            }
            let token = Token::new(&made.token, "embedded_payment", Expiry::Unpublished)?;
            Ok(Step::Done(token.client("payment_id", made.id)))
        }
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let login = login(credentials);
            let body: Map<String, Value> = login.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
            Call::post(exchange.url("/oauth")?).json(&body).repeatable().send()
        }
        // The answer has a long-lived refresh token too, which is not handed out.
        [reply, ..] => {
            Ok(Step::Done(reply.accept::<oauth::AccessToken>(refusal)?.token_or_bearer(reply, exchange.grant)?))
        }
    }
}

fn login(credentials: &Credentials) -> [(&'static str, &str); 5] {
    [
        ("grant_type", "password"),
        ("client_id", credentials.client_id.expose()),
        ("client_secret", credentials.client_secret.expose()),
        ("username", credentials.username.expose()),
        ("password", credentials.password.expose()),
    ]
}

fn payment(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let mut body = Map::new();
    input.copy_into(&mut body, &["amount", "type", "shopper", "bank", "callback"].map(|name| (name, name)));
    input.copy_into(&mut body, &[("notification_url", "notificationUrl")]);
    body.insert("currencyCode".into(), json!(input.required_text("currency")?.to_ascii_uppercase()));
    body.insert("uniqueReference".into(), json!(exchange.object_reference_without_key(MAX_REFERENCE, "")));
    Ok(body)
}

#[derive(Deserialize)]
struct Payment {
    id: String,
    token: String,
}

/// `code` is a number from the token call and a text from the others. The shape of RFC 6749 is read
/// too.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/code", "/error"], &["/message", "/error_description"], &[]);
    let body: Value = reply.lenient();
    let error = encoding::text_at(&body, "/error");
    // The password grant refuses a wrong user with invalid_grant (RFC 6749 section 5.2).
    let wrong_user = error == Some("invalid_grant") || reply.status == 400 && refusal.code.as_deref() == Some("401");
    let kind = oauth::kind(error).or(wrong_user.then_some(Kind::CredentialsRejected));
    refusal.reason(encoding::faults_at(&body, "/errors", &["propertyPath", "message"])).kind(kind)
}
