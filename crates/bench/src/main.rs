//! Measures the service beside bare ones that check nothing and keep nothing. `bench load` measures
//! calls per second and latency, `bench counts` instructions for a call. BENCHMARKS.md says how.

mod bare;
mod calls;
mod counts;
mod load;
mod parts;
mod processes;
mod tokens;
mod vendor;

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

/// The result of a part of the bench.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Calls per second and latency: the service, a bare forwarder, a bare echo and the vendor
    Load(load::Arguments),
    /// Instructions for a minted and for a replayed call, under callgrind
    Counts(counts::Arguments),
    /// Instructions for parts of a call, under callgrind
    Parts,
    /// A part, so many times
    Part(parts::Part),
    /// Memory and processor time with up to a million living tokens
    Tokens(tokens::Arguments),
    /// The mock vendor alone
    Vendor { address: SocketAddr },
    /// A service that only forwards to the vendor, or only replies
    Bare {
        address: SocketAddr,
        /// The vendor's URL; without it, the service replies itself
        #[arg(long)]
        forward: Option<http::Uri>,
    },
}

#[tokio::main]
async fn main() -> Result {
    match Arguments::parse().command {
        Command::Load(arguments) => load::run(arguments).await,
        Command::Counts(arguments) => counts::run(arguments).await,
        Command::Parts => parts::run(),
        Command::Part(part) => parts::run_part(part),
        Command::Tokens(arguments) => tokens::run(arguments).await,
        Command::Vendor { address } => vendor::serve(address).await,
        Command::Bare { address, forward } => bare::serve(address, forward).await,
    }
}
