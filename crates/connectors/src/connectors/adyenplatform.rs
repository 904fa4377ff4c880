//! Adyen for Platforms: a session in which its onboarding and platform components run in a browser.
//! <https://docs.adyen.com/api-explorer/SessionAuthenticationService/1/post/sessions>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

const PLATFORM_WEB: Source = Source::sdk("npm package @adyen/adyen-platform-experience-web 1.12.1");

pub(super) struct Adyenplatform;

impl Connector for Adyenplatform {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "adyenplatform",
        name: "Adyen for Platforms",
        docs: "https://docs.adyen.com/api-explorer/SessionAuthenticationService/1/post/sessions",
        unconfirmed: &[
            "That the token is a JWT with an exp claim; where it is not, the answer carries no expiry.",
            "Status 429 for too many calls.",
        ],
        evidence: &[
            Evidence::new(
                "path, members of the request and the reply, products and types of resources",
                Source::schema("Adyen's SessionAuthenticationService OpenAPI document v1"),
                "2026-11",
            ),
            Evidence::new(
                "the same as types, and both hosts",
                Source::sdk("npm package @adyen/api-library 32.1.0"),
                "2026-11",
            ),
            Evidence::new("what the page takes, the words of environment", PLATFORM_WEB, "2026-11"),
        ],
        mode_shown: ModeShown::No(
            "API keys of test and live have the same form; the hosts differ (npm package @adyen/api-library 32.1.0).",
        ),
        hosts: &[Host::main("https://authe-live.adyen.com", "https://test.adyen.com")],
        credentials: &[required("api_key").found_in("Customer Area > API credentials > the credential of the balance platform, or for onboarding that of legal entities: API key", Source::page("https://docs.adyen.com/platforms/manage-access/api-credentials-web-service"))],
        grants: &[client_grant(
            "session",
            "use the components of the given roles on the given resources, from one origin; by role that is to see owners, \
             transactions and payouts, and to add or delete payout bank accounts with immediate effect",
            Lifetime::InReply,
            session,
        )
        .by_default()
        .inputs(&[
            Input::origin("allowOrigin").required(),
            Input::one_of("product", &["onboarding", "platform", "bank"]).required(),
            Input::object("policy").required(),
        ])
        .worst_case(
            "do all that the roles say for the given resources: see owners, balances, transactions and payouts; with a \
             transfer instrument role add or delete payout bank accounts with immediate effect",
            &[Bound::Object, Bound::Origin],
        )
        .client_source(PLATFORM_WEB)
        .client_parameters(&[
            ClientParameter::new(
                "session_id",
                "the session's id, which goes with the token",
                "AdyenPlatformExperience({ onSessionCreate: async () => ({ id, token }) })",
            ),
            ClientParameter::new("environment", "test or live", "AdyenPlatformExperience({ environment })"),
        ])
        .lifetime_note("the token's own exp says its end; where it has none, do not count on an expiry")],
    };
}

fn session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            check(exchange)?;
            Call::post(exchange.url("/authe/api/v1/sessions")?)
                .secret_header("x-api-key", credentials.api_key.expose())
                .json(&exchange.input.body())
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let session: Session = reply.accept(refusal)?;
            let expiry = match encoding::jwt_claims::<Map<String, Value>>(&session.token) {
                Ok(claims) if claims.contains_key("exp") => Expiry::of_jwt(&session.token)?,
                _ => Expiry::Unpublished,
            };
            let token = Token::new(&session.token, "session", expiry)?
                .client("session_id", encoding::not_blank(session.id)?)
                .client("environment", exchange.mode.label());
            Ok(Step::Done(token))
        }
    }
}

fn check(exchange: &Exchange<'_>) -> Result<()> {
    let input = exchange.input;
    if exchange.mode == Mode::Live && input.text("allowOrigin").is_some_and(|origin| !origin.starts_with("https://")) {
        return Err(Error::invalid_input("allowOrigin", "must be an https origin in live mode"));
    }
    let given = |name| {
        let list = input.value("policy").and_then(|policy| policy.get(name)).and_then(Value::as_array);
        list.is_some_and(|list| !list.is_empty())
    };
    let absent: Vec<&str> = [("resources", "policy.resources"), ("roles", "policy.roles")]
        .into_iter()
        .filter_map(|(name, path)| (!given(name)).then_some(path))
        .collect();
    if absent.is_empty() { Ok(()) } else { Err(Error::missing_inputs(&absent, "a list that is not empty")) }
}

#[derive(Deserialize)]
struct Session {
    id: String,
    token: String,
}

/// <https://docs.adyen.com/development-resources/error-codes>
fn refusal(reply: &Reply) -> Refusal {
    let answer: Value = reply.lenient();
    let detail = encoding::text_at(&answer, "/detail").map(str::to_owned);
    let reason: Vec<String> =
        detail.into_iter().chain(encoding::faults_at(&answer, "/invalidFields", &["name", "message"])).collect();
    // Adyen's older form has a message and no title.
    let words = reply.refusal(&["/errorCode"], &["/title", "/message"], &["/errorType"]);
    let category = words.reason.clone();
    words.reason(Some(reason.join("; ")).filter(|reason| !reason.is_empty()).or(category))
}
