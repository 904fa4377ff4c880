use daypass::CallReport;
use tokio::time::Instant;

use super::{
    Failure,
    one_call::{self, OneCall},
};
use crate::{
    answer, logs,
    status::{self, Answered},
};

/// Make one token from the shell; credentials come from DAYPASS_CREDENTIALS or standard input, as JSON
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    call: one_call::CallArgs,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let call = OneCall::prepare(args.call).await?;
    logs::start("warn")?;
    let deadline = Instant::now() + call.config.limits.time_for(None);
    let mut report = CallReport::default();
    let result = call.engine.create_access_token(call.request(), deadline, &mut report).await;
    let (answer, code) = match &result {
        Ok(pass) => (answer::success(&call.reference, pass, answer::ExpiresIn::Moment), 0),
        Err(error) => match status::answered(error.kind) {
            Answered::AsStatus(status) => {
                (answer::refusal(&call.reference, status, error, &report), status::exit_code(error.kind))
            }
            Answered::AsError(_) => {
                let message = format!("{}: {error}\n{}", error.kind.label(), status::guidance(error.kind));
                return Err(Failure { message, code: status::exit_code(error.kind) });
            }
        },
    };
    say!("{}", serde_json::to_string_pretty(&answer).map_err(|error| error.to_string())?);
    if code == 0 {
        return Ok(());
    }
    Err(Failure { message: "the connector refused; no token was made".into(), code })
}
