//! The engine with scripted and real transports, clocks and stores: one program, as each program costs a link of everything.

#[cfg(test)]
mod clocks;
#[cfg(test)]
mod fault_server;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod life;
#[cfg(test)]
mod load;
#[cfg(test)]
mod redis_server;
#[cfg(test)]
mod repeated_secrets;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod store;
#[cfg(test)]
mod store_trouble;
#[cfg(test)]
mod world;
