//! The executable, over real sockets. One test program, because each one links the whole tree.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod cluster_forget;
#[cfg(test)]
mod collector;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod common;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod every_grant;
#[cfg(test)]
mod existing_clients;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod migrate;
#[cfg(test)]
mod observed;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod playground;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod published_messages;
#[cfg(test)]
#[path = "../../daypass/tests/redis_server/mod.rs"]
mod redis_server;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod router_cache;
#[cfg(test)]
mod session_calls;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod workloads;
