//! Requests of tests to the scripted engine, and their answers.

use std::time::Duration;

use connectors::Result;
use daypass::{CallReport, Engine, Fingerprint, IncomingRequest, IssuedToken, RawCredentials};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ScriptedHttp;

#[derive(Debug)]
pub(crate) struct TestAnswer {
    pub issued: IssuedToken,
    pub replayed: bool,
    pub attempts: u32,
    pub fingerprints: Vec<Fingerprint>,
}

impl TestAnswer {
    pub(crate) fn token(&self) -> &str {
        self.issued.token.value.expose()
    }
}

#[derive(Clone)]
pub(crate) struct TestRequest {
    pub reference: String,
    pub credentials: Value,
    pub data: Value,
    pub metadata: Option<String>,
    pub test_mode: bool,
    pub fresh: bool,
    pub wanted_left: Option<Duration>,
    pub deadline: Duration,
}

impl TestRequest {
    fn of_credentials(credentials: Value, data: Value) -> Self {
        Self {
            reference: "ref".into(),
            credentials,
            data,
            metadata: None,
            test_mode: true,
            fresh: false,
            wanted_left: None,
            deadline: Duration::from_secs(20),
        }
    }

    /// PayPal's client token. The script decides its lifetime.
    pub(crate) fn client() -> Self {
        Self::paypal("id", "secret", json!({}))
    }

    /// PayPal's access token, shared by all references.
    pub(crate) fn server() -> Self {
        Self::paypal("id", "secret", json!({"audience": "server"}))
    }

    /// The default grant, PayPal's client token, needs a domain.
    pub(crate) fn paypal(id: &str, secret: &str, mut data: Value) -> Self {
        if data == json!({}) {
            data = json!({"domains": ["default.example"]});
        }
        Self::of_credentials(json!({"Paypal": {"client_id": id, "client_secret": secret}}), data)
    }

    /// Stripe's ephemeral key, which has an absolute expiry.
    pub(crate) fn absolute() -> Self {
        let data = json!({"grant": "ephemeral_key", "customer": "cus_1"});
        Self::of_credentials(json!({"Stripe": {"api_key": "sk_test_1234567890"}}), data)
    }

    /// Stripe's setup intent, which lives until it is used.
    pub(crate) fn without_end() -> Self {
        Self { data: json!({"grant": "setup_intent"}), ..Self::absolute() }
    }

    pub(crate) fn reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = reference.into();
        self
    }

    pub(crate) fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    pub(crate) fn wanted_left(mut self, seconds: u64) -> Self {
        self.wanted_left = Some(Duration::from_secs(seconds));
        self
    }

    pub(crate) fn data(mut self, data: Value) -> Self {
        self.data = data;
        self
    }

    pub(crate) fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) async fn of(&self, engine: &Engine<ScriptedHttp>) -> Result<TestAnswer> {
        let data = self.data.to_string();
        let request = IncomingRequest {
            of_session: false,
            reference: &self.reference,
            connector: None,
            header_connector: None,
            credentials: RawCredentials::parse(self.credentials.to_string().as_bytes()).map(Some),
            profile: None,
            metadata: self.metadata.as_deref(),
            feature_data: Some(&data),
            test_mode: Some(self.test_mode),
            server_token: false,
            fresh: self.fresh,
            wanted_left: self.wanted_left,
            caller: None,
        };
        let mut report = CallReport::default();
        let issued = engine.create_access_token(request, Instant::now() + self.deadline, &mut report).await?;
        let (replayed, attempts, fingerprints) = (report.replayed, report.attempts, report.credentials);
        Ok(TestAnswer { issued, replayed, attempts, fingerprints })
    }
}
