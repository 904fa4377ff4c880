//! `daypass explain`: the first call to a connector, shown and not made.

use super::{
    call_args::{CallArgs, PreparedCall, Without},
    failure::Failure,
    print::print_line,
};
use crate::{logs, vendor_call::VendorCall};

/// Show the call that would be made to the connector, secrets redacted, without making it
///
/// Credentials and secret inputs are redacted as they are, and header values that are made of them.
/// Values that a connector computes from them, such as a signature in the URL or the body, are
/// shown. Without credentials, made-up ones of the right form stand for them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  daypass explain stripe
  daypass explain stripe --grant ephemeral_key --input customer=cus_1
  daypass explain adyen --input currency=EUR --input return_url=https://shop.example")]
pub(super) struct Args {
    #[command(flatten)]
    call: CallArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let call = PreparedCall::prepare(args.call, Without::Placeholders).await?;
    if call.placeholders {
        logs::write_line(format_args!(
            "no credentials were given; placeholders stand for them, in test mode unless --live"
        ));
    }
    let (request, first) = call.engine.explain(call.incoming_request())?;
    let shown = VendorCall::new(&request, first.as_ref());
    print_line!("{} {} ({} token, {} mode)", shown.connector, shown.grant, shown.audience, shown.mode);
    let Some(call) = shown.call else {
        print_line!("made here, without a call");
        return Ok(());
    };
    print_line!("{} {}", call.method, call.url);
    for (name, value) in &call.headers {
        print_line!("{name}: {value}");
    }
    if !call.body.is_empty() {
        print_line!("\n{}", call.body);
    }
    Ok(())
}
