use super::{
    Failure,
    one_call::{self, OneCall},
};

/// Show the call that would be made to the connector, secrets redacted, without making it
///
/// Credentials and secret inputs are redacted as they are, and header values that are made of them. What a connector computes from
/// them for the URL or the body, such as a signature, is shown.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    call: one_call::CallArgs,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let call = OneCall::prepare(args.call).await?;
    let (order, first) = call.engine.explain(call.request())?;
    say!(
        "{} {} ({} token, {} mode)",
        order.meta.name,
        order.grant.name,
        order.grant.audience.label(),
        order.mode.label()
    );
    let Some(first) = first else {
        say!("made here, without a call");
        return Ok(());
    };
    say!("{} {}", first.method, order.redacted(&first.uri.to_string()));
    for (name, value) in &first.headers {
        let value = value.to_str().ok().filter(|_| !value.is_sensitive());
        say!("{name}: {}", value.map_or_else(|| "[REDACTED]".to_owned(), |value| order.redacted(value)));
    }
    if !first.body.is_empty() {
        say!("\n{}", order.redacted(&String::from_utf8_lossy(&first.body)));
    }
    Ok(())
}
