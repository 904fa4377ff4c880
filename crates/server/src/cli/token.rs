//! `daypass token`: one token, printed as the RPC's response in JSON.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use daypass::CallReport;
use tokio::time::{Instant, timeout};

use super::{
    call_args::{CallArgs, PreparedCall, Without},
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

/// A person at a terminal is told after this time that the call is under way.
const SILENT_TIME: Duration = Duration::from_secs(1);

/// Make one token from the shell; credentials come from DAYPASS_CREDENTIALS or standard input, as
/// JSON
#[derive(clap::Args)]
#[command(after_help = "Examples:
  daypass token stripe --sandbox
  DAYPASS_CREDENTIALS='{\"api_key\":\"sk_test_…\"}' daypass token stripe
  daypass token stripe --sandbox --grant ephemeral_key --input customer=cus_1
  daypass token paypal --sandbox --audience server | jq -r .access_token")]
pub(super) struct Args {
    #[command(flatten)]
    call: CallArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let call = PreparedCall::prepare(args.call, Without::Fails).await?;
    logs::start("warn", logs::FurtherLayers::default())?;
    let deadline = Instant::now() + call.config.limits.time_for(None);
    let mut report = CallReport::default();
    let asked = call.engine.create_access_token(call.incoming_request(), deadline, &mut report);
    let result = with_progress(&call, asked).await;
    let (message, refusal) = match result {
        Ok(issued) => (response::success(&call.reference, issued, ExpiresIn::UnixTime), None),
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

/// The result of the call, which a terminal is told to wait for where it takes longer than a moment.
async fn with_progress<T>(call: &PreparedCall, asked: impl Future<Output = T>) -> T {
    let mut asked = std::pin::pin!(asked);
    match timeout(SILENT_TIME, &mut asked).await {
        Ok(result) => result,
        Err(_elapsed) => {
            if stderr().is_terminal() {
                let seconds = call.config.limits.time_for(None).as_secs();
                logs::write_line(format_args!("asking {} … (for {seconds} s at most)", call.connector()));
            }
            asked.await
        }
    }
}
