//! PowerTranz: the redirect data of one visit to its hosted page.
//! <https://developer.powertranz.com>
//!
//! The SPI token in the same answer completes the payment without credentials: it is for the
//! backend.

use crate::prelude::*;

const LIFETIME: u32 = 300;
/// No document that was found has a bound. Digests have this length.
const MAX_ORDER: usize = 64;
const ORDER_SIGNS: &str = "-_.";

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::third_party("docs.gr4vy.com, Powertranz");

#[derive(Deserialize)]
pub(super) struct Credentials {
    power_tranz_id: Secret,
    power_tranz_password: Secret,
}

pub(super) struct Powertranz;

impl Connector for Powertranz {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "powertranz",
        name: "PowerTranz",
        docs: "https://developer.powertranz.com",
        unconfirmed: &[
            "The HostedPage block of the request and the five minutes: they are in a copy of the vendor's guide.",
            "HP0 in the answer to the request, where the guide has SP4.",
            "That the redirect data does not hold the SPI token before the payer has filled in the page.",
            "The bound on OrderIdentifier, and whether an identifier of an order may be used twice.",
        ],
        evidence: &[
            Evidence::new(
                "members of request and answer, SP4, SpiToken, RedirectData, /payment with the bare token",
                Source::page("First Atlantic Commerce support, Auth/Sale API request and response; a copy of the SPI guide to hosted pages"),
                "2026-11",
            ),
            Evidence::new(
                "both hosts, headers, names and lengths of the members (identifier of 36 characters), HostedPage",
                Source::third_party("cloudcogsio/omnipay-powertranz-3ds2-gateway"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Ids and passwords have no prefix (cloudcogsio/omnipay-powertranz-3ds2-gateway)."),
        hosts: &[Host::main("https://gateway.ptranz.com", "https://staging.ptranz.com")],
        credentials: &[required("power_tranz_id").public().found_in("The PowerTranz account manager hands it out: PowerTranz ID", KEYS), required("power_tranz_password").found_in("The PowerTranz account manager hands it out: PowerTranz Password", KEYS)],
        grants: &[client_grant(
            "spi_hosted_page",
            "pay that one amount, or verify a card, on the hosted page; that page's result brings the SPI token through the \
             browser, so a backend must look at the result itself before it ships",
            Lifetime::Fixed(LIFETIME), spi_hosted_page)
        .by_default()
        .inputs(&[
            Input::decimal("total_amount").required(),
            Input::text_of("currency_code", 3).required(),
            Input::text("page_set").required(),
            Input::text("page_name").required(),
            Input::url("merchant_response_url").required(),
            Input::one_of("operation", &["auth", "sale", "riskmgmt"]),
            Input::flag("three_d_secure"),
        ])
        .worst_case(
            "pay that amount, or verify a card, once, also with a stolen card; and, once the page's result has passed the \
             browser, complete the payment before the shop has looked at the 3-D Secure result",
            &[Bound::Amount, Bound::Object, Bound::SingleUse],
        )
        .client_source(Source::page("First Atlantic Commerce support: RedirectData goes into an iframe of the payer's page"))
        .client_parameters(&[ClientParameter::new(
            "redirect_data",
            "the page as HTML; the token is its base64",
            "the srcdoc of an iframe on the payer's page",
        )
        .document()])
        .server_parameters(&["spi_token", "transaction_identifier"])
        .minting_ends_earlier(MintingEndsEarlier::No("each call makes a transaction of its own (TransactionIdentifier is unique)"))],
    };
}

fn spi_hosted_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let [reply, ..] = exchange.replies else { return call(credentials, exchange) };
    let answer: Answer = reply.accept(refusal)?;
    let faulty = answer.is_faulty();
    match (answer.iso_response_code.as_deref(), answer.spi_token, answer.redirect_data) {
        (Some("HP0" | "SP4"), Some(spi_token), Some(redirect_data)) if !spi_token.is_empty() => {
            // The page has line breaks, which no token may have: the token is its base64.
            let page = encoding::base64(&redirect_data);
            let token = Token::new(&page, "redirect_data", Expiry::after_reply(reply, LIFETIME)?)?;
            let token = token.client("redirect_data", redirect_data).server("spi_token", spi_token);
            Ok(Step::Done(match answer.transaction_identifier.filter(|id| !id.trim().is_empty()) {
                Some(id) => token.server("transaction_identifier", id),
                None => token,
            }))
        }
        (Some("HP0" | "SP4") | None, ..) if !faulty => {
            Err(Error::bad_reply("PowerTranz's answer has no SPI token in it"))
        }
        _ => Err(reply.refuse(refusal(reply))),
    }
}

fn call(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let currency = input.required_text("currency_code")?;
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid_input("currency_code", "must be the three digits of ISO 4217, such as 840"));
    }
    let wrong = |_| Error::invalid_input("total_amount", "must be a number");
    let total: f64 = input.required_decimal("total_amount")?.parse().map_err(wrong)?;
    let body = json!({
        // PowerTranz refuses an identifier that it has seen, so a caller's second try after a lost
        // answer has another. The transaction of the lost answer lapses without a payment.
        "TransactionIdentifier": exchange.nonce.uuid(),
        "TotalAmount": total,
        "CurrencyCode": currency,
        "ThreeDSecure": input.flag("three_d_secure").unwrap_or(true),
        "Source": {},
        "OrderIdentifier": exchange.object_reference(MAX_ORDER, ORDER_SIGNS),
        "AddressMatch": false,
        "ExtendedData": {
            // Codes of EMV 3-D Secure: 4 is a window of 600 by 400, 01 is no preference.
            "ThreeDSecure": { "ChallengeWindowSize": 4, "ChallengeIndicator": "01" },
            "MerchantResponseUrl": input.required_text("merchant_response_url")?,
            "HostedPage": {
                "PageSet": input.required_text("page_set")?,
                "PageName": input.required_text("page_name")?,
            },
        },
    });
    // Not repeatable: each attempt would begin a transaction.
    Call::post(exchange.url(&format!("/api/spi/{}", input.text("operation").unwrap_or("auth")))?)
        .secret_header("powertranz-powertranzid", credentials.power_tranz_id.expose())
        .secret_header("powertranz-powertranzpassword", credentials.power_tranz_password.expose())
        .header("accept", "application/json")
        .json(&body)
        .send()
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Answer {
    #[serde(deserialize_with = "encoding::lenient")]
    iso_response_code: Option<String>,
    #[serde(deserialize_with = "encoding::lenient")]
    transaction_identifier: Option<String>,
    #[serde(deserialize_with = "encoding::lenient")]
    spi_token: Option<String>,
    #[serde(deserialize_with = "encoding::lenient")]
    redirect_data: Option<String>,
    #[serde(deserialize_with = "encoding::lenient")]
    errors: Option<Vec<Value>>,
}

impl Answer {
    fn is_faulty(&self) -> bool {
        self.errors.as_ref().is_some_and(|errors| !errors.is_empty())
    }
}

/// A refusal may come with status 200 and a list of the request's faults.
fn refusal(reply: &Reply) -> Refusal {
    let refusal =
        reply.refusal(&["/Errors/0/Code", "/IsoResponseCode"], &["/Errors/0/Message", "/ResponseMessage"], &[]);
    let faulty = reply.is_success() && reply.lenient::<Answer>().is_faulty();
    refusal.kind(faulty.then_some(Kind::RequestRejected))
}
