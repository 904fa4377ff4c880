//! The engine with scripted and real transports, clocks and stores: one program, as each program
//! costs a link of everything.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod existing_clients;
#[cfg(test)]
mod fake_vendor;
#[cfg(test)]
mod fault_server;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fixtures_as_calls;
#[cfg(test)]
mod host_limits;
#[cfg(test)]
mod load;
#[cfg(test)]
mod minting;
#[cfg(test)]
mod redis_server;
#[cfg(test)]
mod rejections;
#[cfg(test)]
mod repeated_secrets;
#[cfg(test)]
mod scripted_engine;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod store;
#[cfg(test)]
mod store_kinds;
#[cfg(test)]
mod store_refusals;
#[cfg(test)]
mod store_trouble;
