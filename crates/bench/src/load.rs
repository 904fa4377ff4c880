//! Calls per second, processor time and latency, of the service and of bare ones, in turns. Each
//! answer is checked, and the vendor's count must be that of the minted calls.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use clap::Args;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    Result,
    calls::{Caller, Target, vendor_count},
    processes::{Process, Under, service_executable},
};

/// Most calls under way in the open loop. Calls beyond wait, and their waiting counts.
const OPEN_LOOP_CALLERS: usize = 256;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Rounds; medians are over them
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Callers at a time, each with a connection of its own
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 128])]
    concurrency: Vec<usize>,
    /// Calls per second of the open loop; half the peak where absent
    #[arg(long)]
    rate: Option<f64>,
}

/// Processes of a run.
struct Bench {
    vendor: Process,
    forwarder: Process,
    echo: Process,
    service: Process,
}

/// One closed-loop measurement.
#[derive(Clone, Copy)]
struct Measured {
    per_second: f64,
    /// Processor time of the measured process for a call, in microseconds.
    processor_us: f64,
}

#[expect(clippy::print_stdout, reason = "a command line tool")]
pub(crate) async fn run(arguments: Arguments) -> Result {
    let under = Under::default();
    let vendor = Process::of_bench(&under, &["vendor"])?;
    let url = format!("http://{}/", vendor.address);
    let bench = Bench {
        forwarder: Process::of_bench(&under, &["bare", "--forward", &url])?,
        echo: Process::of_bench(&under, &["bare"])?,
        service: Process::of_service(&under, &service_executable()?, vendor.address)?,
        vendor,
    };
    println!("resident, idle: {} KiB", bench.service.resident_kib()?);
    let time = Duration::from_secs(arguments.seconds);
    let mut peak = 0.0f64;
    for &concurrency in &arguments.concurrency {
        let [mut minted, mut replayed, mut processor] = [const { Vec::new() }; 3];
        for _ in 0..arguments.rounds {
            let own = bench.closed(Target::Minted, &bench.service, concurrency, time).await?;
            let bare = bench.closed(Target::Bare, &bench.forwarder, concurrency, time).await?;
            minted.push((own.per_second, bare.per_second));
            processor.push((own.processor_us, bare.processor_us));
            let own = bench.closed(Target::Replayed, &bench.service, concurrency, time).await?;
            let bare = bench.closed(Target::Bare, &bench.echo, concurrency, time).await?;
            replayed.push((own.per_second, bare.per_second));
        }
        peak = peak.max(medians(&minted).0);
        print_row(&format!("minted/s, {concurrency} callers"), &minted);
        print_row(&format!("processor us for a minted call, {concurrency} callers"), &processor);
        print_row(&format!("replayed/s, {concurrency} callers"), &replayed);
    }
    let rate = arguments.rate.unwrap_or(peak / 2.0);
    println!("open loop at {rate:.0} calls/s (peak: {peak:.0}); milliseconds, p50 and p99:");
    let [mut added_p50, mut added_p99] = [const { Vec::new() }; 2];
    for _ in 0..arguments.rounds {
        let direct = open_loop(Target::Vendor, bench.vendor.address, rate, time).await?;
        let through = open_loop(Target::Minted, bench.service.address, rate, time).await?;
        let bare = open_loop(Target::Bare, bench.forwarder.address, rate, time).await?;
        println!("  vendor {direct:?}  service {through:?}  bare forwarder {bare:?}");
        added_p50.push((through.0 - direct.0, bare.0 - direct.0));
        added_p99.push((through.1 - direct.1, bare.1 - direct.1));
    }
    print_row("added to the vendor's p50, ms", &added_p50);
    print_row("added to the vendor's p99, ms", &added_p99);
    println!("resident, at the end: {} KiB", bench.service.resident_kib()?);
    Ok(())
}

impl Bench {
    /// So many callers, each of which calls again when it has its answer.
    async fn closed(&self, target: Target, process: &Process, concurrency: usize, time: Duration) -> Result<Measured> {
        let mut callers = Vec::new();
        for nth in 0..concurrency {
            let mut caller = Caller::new(target, process.address, unique(nth))?;
            // Connects, and makes the token that is replayed.
            caller.call().await?;
            callers.push(caller);
        }
        let (made, processor) = (vendor_count(self.vendor.address).await?, process.processor_seconds()?);
        let began = Instant::now();
        let mut running = JoinSet::new();
        for mut caller in callers {
            running.spawn(async move {
                let mut calls = 0u32;
                while began.elapsed() < time {
                    caller.call().await?;
                    calls += 1;
                }
                Result::Ok(calls)
            });
        }
        let mut calls = 0u32;
        while let Some(ended) = running.join_next().await {
            calls += ended??;
        }
        let (seconds, processor) = (began.elapsed().as_secs_f64(), process.processor_seconds()? - processor);
        let made = vendor_count(self.vendor.address).await? - made;
        let expected = match target {
            Target::Minted | Target::Vendor => u64::from(calls),
            Target::Bare if process.address == self.forwarder.address => u64::from(calls),
            Target::Bare | Target::Replayed => 0,
        };
        if made != expected {
            return Err(format!("{target:?}: {calls} calls, but the vendor made {made} tokens").into());
        }
        let calls = f64::from(calls);
        Ok(Measured { per_second: calls / seconds, processor_us: processor * 1e6 / calls })
    }
}

/// Calls at fixed moments, whatever the earlier ones do. Latencies count from those moments: p50 and
/// p99 in milliseconds.
async fn open_loop(target: Target, address: SocketAddr, rate: f64, time: Duration) -> Result<(f64, f64)> {
    let (idle, mut free) = mpsc::channel(OPEN_LOOP_CALLERS);
    for nth in 0..OPEN_LOOP_CALLERS {
        let mut caller = Caller::new(target, address, unique(nth))?;
        caller.call().await?;
        idle.send(caller).await?;
    }
    let mut moments = moments(rate, time);
    let mut running = JoinSet::new();
    while let Some(due) = moments.recv().await {
        let mut caller = free.recv().await.ok_or("no callers")?;
        let idle = idle.clone();
        running.spawn(async move {
            caller.call().await?;
            let took = due.elapsed();
            idle.send(caller).await?;
            Result::Ok(took)
        });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = running.join_next().await {
        latencies.push(ended??);
    }
    latencies.sort();
    let at = |share: usize| latencies.get(latencies.len() * share / 100).map_or(0.0, Duration::as_secs_f64);
    let ms = |seconds: f64| (seconds * 1e5).round() / 1e2;
    Ok((ms(at(50)), ms(at(99))))
}

/// Moments at this rate, each when it has come. A thread of its own waits for them: the runtime's timers
/// count whole milliseconds, and the calls of a millisecond would come at once.
fn moments(rate: f64, time: Duration) -> mpsc::UnboundedReceiver<Instant> {
    let (send, moments) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let began = Instant::now();
        for nth in 0u32.. {
            let after = Duration::from_secs_f64(f64::from(nth) / rate);
            if after > time {
                break;
            }
            std::thread::sleep(after.saturating_sub(began.elapsed()));
            if send.send(began + after).is_err() {
                break;
            }
        }
    });
    moments
}

/// A name that no other caller of this run has.
fn unique(nth: usize) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{}-{nth}", now.as_nanos())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn medians(rounds: &[(f64, f64)]) -> (f64, f64) {
    (median(rounds.iter().map(|(own, _)| *own).collect()), median(rounds.iter().map(|(_, bare)| *bare).collect()))
}

#[expect(clippy::print_stdout, reason = "a command line tool")]
fn print_row(what: &str, rounds: &[(f64, f64)]) {
    let (own, bare) = medians(rounds);
    let ratio = median(rounds.iter().map(|(own, bare)| own / bare).collect());
    println!("{what:45} service {own:10.2}   bare {bare:10.2}   ratio {ratio:.2}");
}
