//! GoCardless: a Billing Request Flow, in which one payer authorises a mandate, a payment or both.
//! <https://developer.gocardless.com/api-reference/#billing-requests-billing-request-flows>

use std::ops::ControlFlow;

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

const INPUTS: &[Input] = &[
    Input::text("billing_request_id"),
    Input::object("mandate_request"),
    Input::object("payment_request").amounts("amount is in minor units: 1050 is GBP 10.50"),
    Input::text("customer_id"),
    Input::url("redirect_uri"),
    Input::url("exit_uri"),
    Input::flag("auto_fulfil"),
    Input::text("language"),
    Input::flag("lock_bank_account"),
    Input::flag("lock_currency"),
    Input::flag("lock_customer_details"),
    Input::object("prefilled_customer"),
    Input::object("prefilled_bank_account"),
    Input::flag("show_redirect_buttons"),
    Input::flag("show_success_redirect_button"),
    Input::flag("skip_success_screen"),
    Input::flag("customer_details_captured"),
];
/// The inputs of a new billing request.
const REQUEST: &[&str] = &["mandate_request", "payment_request", "customer_id"];

const CLIENT: &[ClientParameter] = &[
    ClientParameter::new(
        "billing_request_flow_id",
        "the id of the flow",
        "GoCardlessDropin.create({ billingRequestFlowID })",
    ),
    ClientParameter::new(
        "environment",
        "live or sandbox, the environment of the flow",
        "GoCardlessDropin.create({ environment })",
    ),
    ClientParameter::new(
        "authorisation_url",
        "GoCardless' hosted page for this flow",
        "the address to which the page sends the payer, where it has no drop-in",
    ),
    ClientParameter::new(
        "billing_request_id",
        "the id of the billing request, with which the backend reads the result or cancels it",
        "no client SDK; GET /billing_requests/{id} with the access token",
    ),
];

const fn flow_grant(name: &'static str, allows: &'static str, step: StepFn<Credentials>) -> Grant<StepFn<Credentials>> {
    client_grant(name, allows, Lifetime::Fixed(604_800), step)
        .inputs(INPUTS)
        // At most 3 pairs, keys of 50 and values of 500 characters, by
        // <https://developer.gocardless.com/api-reference/#billing-requests-billing-requests>.
        .metadata(3, 50, 500)
        .client_parameters(CLIENT)
        .lifetime_note("GoCardless fixes seven days; to end a flow earlier, cancel its billing request")
}

pub(super) struct Gocardless;

impl Connector for Gocardless {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "gocardless",
        name: "GoCardless",
        docs: "https://developer.gocardless.com/api-reference/#billing-requests-billing-request-flows",
        unconfirmed: &[
            "That a flow lives 7 days; the answer says its end.",
            "What a session token allows, and whether it can end before its flow.",
            "The mandate of a request in which the caller names none: Bacs, as in the vendor's example.",
        ],
        evidence: &[
            Evidence::new(
                "paths, members, header names of both creates and of initialise; conflicts of idempotency keys",
                Source::sdk("gocardless-nodejs 10.1.2 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "the drop-in takes the flow's id and the environment",
                Source::sdk("@gocardless/react-dropin 0.3.6 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "access tokens begin with live_ or sandbox_",
                Source::third_party("reports to the vendor's PHP library: gocardless-pro-php#14 and #54"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Access tokens begin with live_ or sandbox_ (reports to gocardless-pro-php); older ones have no prefix.",
        ),
        hosts: &[Host::main("https://api.gocardless.com", "https://api-sandbox.gocardless.com")],
        credentials: &[required("api_key").found_in("Dashboard > Developers > Create > Access token: access token", Source::third_party("docs.nexla.com, GoCardless authorization"))],
        grants: &[
            flow_grant(
                "billing_request_flow",
                "complete that billing request in the drop-in or on the hosted pages",
                billing_request_flow,
            )
            .by_default()
            .worst_case(
                "see the payer's details that are known or prefilled, and put a bank account of its own on that mandate",
                &[Bound::Object, Bound::Customer],
            )
            .client_source(Source::sdk("@gocardless/react-dropin 0.3.6 (npm)"))
            .minting_ends_earlier(MintingEndsEarlier::No(
                "gocardless-nodejs 10.1.2: each call makes a billing request and a flow of its own",
            )),
            flow_grant(
                "billing_request_flow_session",
                "complete that billing request from a front end of one's own",
                billing_request_flow_session,
            )
            .worst_case(
                "see the payer's details that are known or prefilled, and put a bank account of its own on that mandate",
                &[Bound::Object, Bound::Customer],
            ),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        Mode::of_key(credentials.api_key.expose(), &["sandbox_"], &["live_"])
    }
}

fn billing_request_flow(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let made = match make_flow(credentials, exchange)? {
        ControlFlow::Break(next) => return Ok(next),
        ControlFlow::Continue(made) => made,
    };
    let flow = made.flow.accept::<Flows>(refusal)?.billing_request_flows;
    token(exchange, &made.request, &flow.id, "billing_request_flow", &flow)
}

fn billing_request_flow_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let made = match make_flow(credentials, exchange)? {
        ControlFlow::Break(next) => return Ok(next),
        ControlFlow::Continue(made) => made,
    };
    let Some(initialised) = made.next else {
        let flow = made.flow.accept::<Flows>(refusal)?.billing_request_flows;
        let id = Exchange::segment(encoding::not_blank(&flow.id)?);
        let call = Call::post(exchange.url(&format!("/billing_request_flows/{id}/actions/initialise"))?);
        return versioned(credentials, call).repeatable().send();
    };
    let flow = initialised.accept::<Flows>(refusal)?.billing_request_flows;
    token(exchange, &made.request, flow.session_token.as_deref().unwrap_or_default(), "session_token", &flow)
}

/// A billing request and its flow.
struct Made<'a> {
    /// The id of the billing request.
    request: String,
    /// The reply that holds the flow.
    flow: &'a Reply,
    /// The reply after it.
    next: Option<&'a Reply>,
}

/// Makes the billing request, unless the caller names one, and the flow: `Break` with the next call
/// until both are made.
fn make_flow<'a>(credentials: &Credentials, exchange: &Exchange<'a>) -> Result<ControlFlow<Step, Made<'a>>> {
    let known = exchange.input.text("billing_request_id");
    // A repeated create is refused with the id of the resource that the first one made. That
    // resource is then read, and the reply to the read counts as the reply to the create.
    let replies: Vec<&Reply> = exchange.replies.iter().filter(|reply| duplicate_of(reply).is_none()).collect();
    let resource = if known.is_none() && replies.is_empty() { "billing_requests" } else { "billing_request_flows" };
    if let Some(id) = exchange.replies.last().and_then(duplicate_of) {
        let call = Call::get(exchange.url(&format!("/{resource}/{}", Exchange::segment(&id)))?);
        return versioned(credentials, call).send().map(ControlFlow::Break);
    }
    let (request, replies) = match (known, replies.as_slice()) {
        (Some(id), replies) => (id.to_owned(), replies),
        (None, []) => {
            return create(credentials, exchange, resource, billing_request(exchange)).map(ControlFlow::Break);
        }
        (None, [reply, rest @ ..]) => {
            let made: Value = reply.accept(refusal)?;
            let id = encoding::text_at(&made, "/billing_requests/id");
            let id = id.ok_or_else(|| Error::bad_reply("GoCardless' billing request has no id"))?;
            (encoding::not_blank(id)?.to_owned(), rest)
        }
    };
    match replies {
        [] => {
            let body = flow(exchange, &request)?;
            create(credentials, exchange, resource, body).map(ControlFlow::Break)
        }
        [flow, rest @ ..] => Ok(ControlFlow::Continue(Made { request, flow, next: rest.first().copied() })),
    }
}

fn versioned(credentials: &Credentials, call: Call) -> Call {
    call.bearer(credentials.api_key.expose()).header("gocardless-version", "2015-07-06")
}

fn create(
    credentials: &Credentials,
    exchange: &Exchange<'_>,
    resource: &str,
    body: Map<String, Value>,
) -> Result<Step> {
    versioned(credentials, Call::post(exchange.url(&format!("/{resource}"))?))
        .header("idempotency-key", &format!("{}-{resource}", exchange.idempotency_key))
        .json(&json!({ resource: body }))
        .repeatable()
        .send()
}

fn billing_request(exchange: &Exchange<'_>) -> Map<String, Value> {
    let input = exchange.input;
    let mut members = Map::new();
    input.copy_into(&mut members, &[("mandate_request", "mandate_request"), ("payment_request", "payment_request")]);
    if members.is_empty() {
        members.insert("mandate_request".into(), json!({ "scheme": "bacs" }));
    }
    if let Some(customer) = input.text("customer_id") {
        members.insert("links".into(), json!({ "customer": customer }));
    }
    if !input.metadata.is_empty() {
        members.insert("metadata".into(), json!(input.metadata));
    }
    members
}

fn flow(exchange: &Exchange<'_>, request: &str) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let new = REQUEST.iter().find(|name| input.value(name).is_some());
    if let (Some(new), Some(_)) = (new, input.value("billing_request_id")) {
        return Err(Error::invalid_input(new, "belongs to a new billing request; billing_request_id names an old one"));
    }
    if input.value("billing_request_id").is_some() && !input.metadata.is_empty() {
        return Err(Error::invalid(
            "metadata",
            "belongs to a new billing request; billing_request_id names an old one",
        ));
    }
    let mut members = Map::new();
    let names = INPUTS.iter().map(|input| (input.name, input.name));
    let names: Vec<_> = names.filter(|(name, _)| *name != "billing_request_id" && !REQUEST.contains(name)).collect();
    input.copy_into(&mut members, &names);
    // A holder of the flow must not change details that were given for somebody else.
    if ["customer_id", "prefilled_customer"].iter().any(|name| input.value(name).is_some()) {
        members.entry("lock_customer_details").or_insert(json!(true));
    }
    members.insert("links".into(), json!({ "billing_request": request }));
    Ok(members)
}

fn token(exchange: &Exchange<'_>, request: &str, value: &str, token_type: &str, flow: &Flow) -> Result<Step> {
    let token = Token::new(value, token_type, Expiry::at_date(&flow.expires_at)?)?
        .client("billing_request_id", request)
        .client("billing_request_flow_id", encoding::not_blank(&flow.id)?)
        .client("authorisation_url", &flow.authorisation_url)
        .client("environment", if exchange.mode == Mode::Live { "live" } else { "sandbox" });
    Ok(Step::Done(token))
}

#[derive(Deserialize)]
struct Flows {
    billing_request_flows: Flow,
}

#[derive(Deserialize)]
struct Flow {
    id: String,
    authorisation_url: String,
    expires_at: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    session_token: Option<String>,
}

/// The id of the resource that an earlier call with this idempotency key has made.
/// <https://developer.gocardless.com/api-reference/#making-requests-idempotency-keys>
fn duplicate_of(reply: &Reply) -> Option<String> {
    let answer: Value = reply.lenient();
    let duplicate = encoding::text_at(&answer, "/error/errors/0/reason")? == "idempotent_creation_conflict";
    encoding::text_at(&answer, "/error/errors/0/links/conflicting_resource_id").filter(|_| duplicate).map(str::to_owned)
}

/// <https://developer.gocardless.com/api-reference/#overview-errors>
fn refusal(reply: &Reply) -> Refusal {
    let faults = encoding::faults_at(&reply.lenient(), "/error/errors", &["field", "message"]);
    let codes = ["/error/errors/0/reason", "/error/type", "/error"];
    reply.refusal(&codes, &["/error/message", "/error_description", "/message"], &[]).reason(faults)
}
