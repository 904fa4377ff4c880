//! `daypass explain`: the first call to a connector, shown and not made.

use super::{
    call_args::{CallArgs, PreparedCall},
    failure::Failure,
    print::print_line,
};

/// Show the call that would be made to the connector, secrets redacted, without making it
///
/// Credentials and secret inputs are redacted as they are, and header values that are made of them.
/// Values that a connector computes from them, such as a signature in the URL or the body, are
/// shown.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    call: CallArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let call = PreparedCall::prepare(args.call).await?;
    let (request, first) = call.engine.explain(call.incoming_request())?;
    print_line!(
        "{} {} ({} token, {} mode)",
        request.meta.name,
        request.grant.name,
        request.grant.audience.label(),
        request.mode.label()
    );
    let Some(first) = first else {
        print_line!("made here, without a call");
        return Ok(());
    };
    print_line!("{} {}", first.method, request.redacted(&first.uri.to_string()));
    for (name, value) in &first.headers {
        let value = value.to_str().ok().filter(|_| !value.is_sensitive());
        print_line!("{name}: {}", value.map_or_else(|| "[REDACTED]".to_owned(), |value| request.redacted(value)));
    }
    if !first.body.is_empty() {
        print_line!("\n{}", request.redacted(&String::from_utf8_lossy(&first.body)));
    }
    Ok(())
}
