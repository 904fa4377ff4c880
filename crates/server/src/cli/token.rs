//! `daypass token`: one token, printed as the RPC's response in JSON.

use daypass::CallReport;
use tokio::time::Instant;

use super::{
    call_args::{CallArgs, PreparedCall},
    failure::Failure,
    print::print_line,
};
use crate::{
    logs,
    rpc::{
        errors::{self, KindMapping},
        response::{self, ExpiresIn},
    },
};

/// Make one token from the shell; credentials come from DAYPASS_CREDENTIALS or standard input, as
/// JSON
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    call: CallArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let call = PreparedCall::prepare(args.call).await?;
    logs::start("warn")?;
    let deadline = Instant::now() + call.config.limits.time_for(None);
    let mut report = CallReport::default();
    let result = call.engine.create_access_token(call.incoming_request(), deadline, &mut report).await;
    let (message, refusal) = match result {
        Ok(issued) => (response::success(&call.reference, &issued, ExpiresIn::UnixTime), None),
        Err(error) => match errors::mapping(error.kind) {
            KindMapping::Status(status) => {
                (response::refusal(&call.reference, status, &error, &report), Some(error.kind.fault()))
            }
            KindMapping::Code(_) => return Err(Failure::NoToken(error)),
        },
    };
    print_line!("{}", serde_json::to_string_pretty(&message)?);
    refusal.map_or(Ok(()), |fault| Err(Failure::Refused(fault)))
}
