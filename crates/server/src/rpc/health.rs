//! The health of the service, for anybody who asks. Used by `server`.

use std::sync::Arc;

use connectrpc::{ConnectError, Router};
use connectrpc_health::{
    Checker, HealthExt as _, HealthService, StaticChecker, Status, StatusStream, apply_request_limits, request_limits,
};
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;

/// Most watches at a time. Each is open until its client ends it, and may be a stranger's.
const MAX_WATCHES: usize = 1024;

/// The state of the services, as probes and load balancers read it.
pub(crate) struct Health {
    checker: StaticChecker,
    watches: Arc<Semaphore>,
}

impl Health {
    /// The health of these services, added to the router.
    pub(crate) fn install(router: Router, services: &[&str]) -> (Router, Arc<Self>) {
        let checker = StaticChecker::with_services(services.iter().copied());
        let health = Arc::new(Self { checker, watches: Arc::new(Semaphore::new(MAX_WATCHES)) });
        let service = Arc::new(HealthService::from_arc(health.clone()));
        (apply_request_limits(service.register(router), request_limits()), health)
    }

    /// Says that the services take no more calls.
    pub(crate) fn shutdown(&self) {
        self.checker.shutdown();
    }
}

impl Checker for Health {
    async fn check(&self, service: &str) -> Result<Status, ConnectError> {
        self.checker.check(service).await
    }

    async fn watch(&self, service: &str) -> Result<StatusStream, ConnectError> {
        // With this code, clients go on as if there were no health service (health-checking.md of the gRPC
        // project); with another one, they would take the server for down.
        let Ok(permit) = self.watches.clone().try_acquire_owned() else {
            return Err(ConnectError::unimplemented("as many watches as may be are open; Check is served"));
        };
        let states = self.checker.watch(service).await?;
        Ok(StatusStream::new(states.inspect(move |_| {
            let _until_the_end = &permit;
        })))
    }
}
