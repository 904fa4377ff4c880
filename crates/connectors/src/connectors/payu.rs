//! PayU: OAuth tokens of its two platforms, GPO in Europe and PayU India.
//! <https://developers.payu.com/europe/docs/payment-flows/auth-and-order>

use crate::prelude::*;

const LIFETIME: Lifetime = Lifetime::Fixed(43_199);
const CLIENT_ID: Input = Input::text("client_id");
const CLIENT_SECRET: Input = Input::secret("client_secret");

#[derive(Deserialize)]
pub struct Credentials {
    api_key: String,
    api_secret: Secret,
}

pub struct Payu;

impl Connector for Payu {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "payu",
        name: "PayU",
        docs: "https://developers.payu.com/europe/docs/payment-flows/auth-and-order",
        unconfirmed: &[
            "That GPO's client ids are numbers and India's are not, by which the platform is told where region is not given.",
        ],
        hosts: &[
            Host::main("https://secure.payu.com", "https://secure.snd.payu.com"),
            Host::named("india", "https://accounts.payu.in", "https://uat-accounts.payu.in"),
        ],
        credentials: &[required("api_key").public(), required("api_secret")],
        grants: &[
            Grant::server_unconverted(
                "client_credentials",
                "make all order calls of the point of sale (GPO), or those of the scopes asked for (India)",
                LIFETIME,
            )
            .inputs(&[CLIENT_ID, CLIENT_SECRET, Input::one_of("region", &["gpo", "india"])])
            .scopes(Scopes::Any),
            Grant::server_unconverted(
                "trusted_merchant",
                "make all order calls of the point of sale, with the stored cards of one customer (GPO)",
                LIFETIME,
            )
            .inputs(&[
                CLIENT_ID,
                CLIENT_SECRET,
                Input::text("email").required(),
                Input::text("ext_customer_id").required(),
            ]),
            Grant::server_unconverted("partner", "manage the shops of one firm (GPO)", LIFETIME).inputs(&[
                CLIENT_ID,
                CLIENT_SECRET,
                Input::text("firm_id").required(),
            ]),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let (input, grant) = (exchange.input, exchange.grant.name);
        let [reply, ..] = exchange.replies else {
            // Merchant key and salt of PayU India are no OAuth client, so a pair of its own goes first.
            let client_id = input.text("client_id").unwrap_or(&credentials.api_key);
            let form = FormBody::new()
                .field("grant_type", grant)
                .field("client_id", client_id)
                .field("client_secret", input.text("client_secret").unwrap_or(credentials.api_secret.expose()));
            let numeric = client_id.bytes().all(|byte| byte.is_ascii_digit());
            let in_india = match input.text("region") {
                Some(region) => region == "india",
                None => grant == "client_credentials" && !numeric,
            };
            let call = match (in_india, input.scopes.is_empty()) {
                (true, true) => {
                    return Err(Error::missing_inputs(&["scopes"], "PayU India gives a token for named scopes only"));
                }
                (true, false) => {
                    Call::post(exchange.url_at(1, "/oauth/token")?).form(form.field("scope", &input.scopes.join(" ")))
                }
                (false, false) => {
                    return Err(Error::invalid_input("scopes", "PayU GPO has no scopes; region says which"));
                }
                (false, true) => Call::post(exchange.url("/pl/standard/user/oauth/authorize")?).form(
                    form.maybe("email", input.text("email"))
                        .maybe("ext_customer_id", input.text("ext_customer_id"))
                        .maybe("firm_id", input.text("firm_id")),
                ),
            };
            return call.repeatable().send();
        };
        let token = reply.accept::<oauth::AccessToken>(oauth::refusal)?.token(reply, exchange.grant)?;
        // India says from when the seconds count.
        match (token.expiry, reply.json::<Created>()?.created_at) {
            (Expiry::After(_, lifetime), Some(Seconds(created_at))) => {
                Ok(Step::Done(Token { expiry: Expiry::at_epoch(created_at.saturating_add(lifetime))?, ..token }))
            }
            _ => Ok(Step::Done(token)),
        }
    }
}

#[derive(Deserialize)]
struct Created {
    created_at: Option<Seconds>,
}
