//! What tokens cost: the memory after many calls for the same ones, the memory for each of many, and
//! whether a call costs more where there are many.

use clap::Args;
use tokio::task::JoinSet;

use crate::{
    Result,
    calls::{Caller, Target, vendor_count},
    processes::{Process, Under, service_executable},
};

/// Callers at a time.
const CALLERS: usize = 32;
/// Calls at the end of each stage over which the processor time is taken.
const MEASURED: usize = 20_000;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Numbers of living tokens at which the costs are taken, ascending
    #[arg(long, value_delimiter = ',', default_values_t = [20_000, 50_000, 200_000, 500_000, 1_000_000])]
    tokens: Vec<usize>,
    /// Numbers of calls for the same tokens after which the memory is taken, ascending
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000])]
    replayed: Vec<usize>,
}

#[expect(clippy::print_stdout, reason = "a command line tool")]
pub(crate) async fn run(arguments: Arguments) -> Result {
    let under = Under::default();
    let vendor = Process::of_bench(&under, &["vendor"])?;
    let service = Process::of_service(&under, &service_executable()?, vendor.address)?;
    let idle = service.resident_kib()?;
    println!("resident, idle: {idle} KiB");
    let mut callers = callers(Target::Replayed, &service)?;
    let mut made = 0;
    let replayed_tokens = if arguments.replayed.is_empty() { 0 } else { CALLERS };
    for replayed in arguments.replayed {
        callers = call(callers, replayed.checked_sub(made).ok_or("the numbers must ascend")?).await?;
        made = replayed;
        println!("{replayed:9} calls for {CALLERS} tokens: {:9} KiB", service.resident_kib()?);
    }
    drop(callers);
    let mut callers = self::callers(Target::Minted, &service)?;
    let mut living = 0;
    for tokens in arguments.tokens {
        let more = tokens.checked_sub(living + MEASURED).ok_or("the numbers must be 20000 apart or more")?;
        callers = call(callers, more).await?;
        let before = service.processor_seconds()?;
        callers = call(callers, MEASURED).await?;
        let processor_us = (service.processor_seconds()? - before) * 1e6 / MEASURED as f64;
        living = tokens;
        let resident = service.resident_kib()?;
        let each = (resident - idle) as f64 / living as f64;
        println!("{living:9} tokens: {processor_us:7.1} us for a call, {resident:9} KiB, {each:.2} KiB for each token");
    }
    let (made, wanted) = (vendor_count(vendor.address).await?, living + replayed_tokens);
    if made == wanted as u64 { Ok(()) } else { Err(format!("{wanted} tokens, but the vendor made {made}").into()) }
}

fn callers(target: Target, service: &Process) -> Result<Vec<Caller>> {
    (0..CALLERS).map(|nth| Caller::new(target, service.address, format!("{target:?}-{nth}"))).collect()
}

/// So many calls, by all callers together.
async fn call(callers: Vec<Caller>, calls: usize) -> Result<Vec<Caller>> {
    let mut running = JoinSet::new();
    for (nth, mut caller) in callers.into_iter().enumerate() {
        let share = calls / CALLERS + usize::from(nth < calls % CALLERS);
        running.spawn(async move {
            for _ in 0..share {
                caller.call().await?;
            }
            Result::Ok(caller)
        });
    }
    let mut callers = Vec::new();
    while let Some(ended) = running.join_next().await {
        callers.push(ended??);
    }
    Ok(callers)
}
