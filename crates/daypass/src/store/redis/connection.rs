//! A connection to the store, whatever its kind, and its replacement. Scripts are loaded when it is
//! made. `link` and `runner` use it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, Slot, SlotAddr},
};

use crate::store::redis::{
    access::Target,
    scripts::SCRIPTS,
    trouble::{Refusal, Trouble, trouble},
};

/// Longest time to connect, and for a reply that no call waits for.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that its copies share.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl Connection {
    /// Sends a command without a key to the server that holds this key.
    pub(super) async fn ask_owner<T: FromRedisValue>(&mut self, key: &str, command: Cmd) -> RedisResult<T> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => {
                let route = Route::with_slot(Slot::for_key(key), SlotAddr::Master);
                let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
                let reply = connection.route_command(command, route).await?.extract_error()?;
                Ok(redis::from_redis_value(reply)?)
            }
        }
    }
}

/// A connection and its number, which is new for each connection.
#[derive(Clone)]
pub(super) struct Numbered {
    pub number: u64,
    pub connection: Connection,
}

/// Makes connections, one at a time.
pub(super) struct Connector {
    target: Target,
    current: Mutex<Option<Numbered>>,
    /// The number of the last connection.
    making: tokio::sync::Mutex<u64>,
}

impl Connector {
    pub(super) fn new(target: Target) -> Self {
        Self { target, current: Mutex::default(), making: tokio::sync::Mutex::new(0) }
    }

    /// The connection, if there is one.
    pub(super) fn current(&self) -> Option<Numbered> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Drops the connection, unless it was replaced since. Names are resolved again for the next.
    pub(super) fn discard(&self, number: u64) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).take_if(|current| current.number == number);
    }

    /// Drops the connection.
    pub(super) fn discard_any(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The connection, made where there is none.
    pub(super) async fn connection(&self) -> Result<Numbered, Trouble> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut last = self.making.lock().await;
        // Another operation may have made it in the meantime.
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let connection = connect(&self.target).await?;
        *last += 1;
        let new = Numbered { number: *last, connection };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
        Ok(new)
    }
}

async fn connect(target: &Target) -> Result<Connection, Trouble> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(CONNECT_TIMEOUT));
    let one = match target {
        Target::Cluster(client) => {
            let connection = client.get_async_connection().await.map_err(|error| trouble(&error))?;
            return load_everywhere(connection).await;
        }
        Target::One(client) => client.get_multiplexed_async_connection_with_config(&config).await,
        Target::Sentinel(client) => client.lock().await.get_async_connection_with_config(&config).await,
    };
    prepare(one.map_err(|error| trouble(&error))?).await
}

/// Asks what the server is and loads the scripts, in one round trip.
async fn prepare(mut connection: MultiplexedConnection) -> Result<Connection, Trouble> {
    let mut pipeline = redis::pipe();
    // Every user may send HELLO (command flag `no_auth`), and it tells the server's mode and role.
    pipeline.cmd("HELLO").arg(2);
    for script in SCRIPTS {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script).ignore();
    }
    let (server,): (HashMap<String, Value>,) =
        pipeline.query_async(&mut connection).await.map_err(|error| trouble(&error))?;
    let is = |name: &str, expected: &[u8]| matches!(server.get(name), Some(Value::BulkString(is)) if is == expected);
    if is("mode", b"cluster") {
        return Err(Trouble::Refused(Refusal::Moved));
    }
    if is("role", b"replica") || is("role", b"slave") {
        return Err(Trouble::Refused(Refusal::ReadOnly));
    }
    Ok(Connection::One(connection))
}

/// Loads the scripts into each master of a cluster, all at once.
async fn load_everywhere(connection: ClusterConnection) -> Result<Connection, Trouble> {
    let mut loads = tokio::task::JoinSet::new();
    for script in SCRIPTS {
        let mut connection = connection.clone();
        loads.spawn(async move {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(script);
            load.query_async::<Value>(&mut connection).await
        });
    }
    while let Some(loaded) = loads.join_next().await {
        loaded.map_err(|_| Trouble::Lost)?.map_err(|error| trouble(&error))?;
    }
    Ok(Connection::Cluster(connection))
}
