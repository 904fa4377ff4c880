//! The operator's rules for single callers. The settings read them, the check of requests and the
//! engine enforce them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use connectors::{Audience, Grant, Meta, Mode};
use serde::Deserialize;

use crate::request::connector_id::canonical_id;

/// The rules for one caller. A rule that is absent limits nothing, and an empty list allows nothing.
/// Only profiles must be given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallerPolicy {
    /// The connectors that it may use.
    pub connectors: Option<BTreeSet<String>>,
    /// The grants that it may use: `ephemeral_key`, or `stripe.ephemeral_key` for one connector.
    pub grants: Option<BTreeSet<String>>,
    /// The audiences that it may ask for: `client`, `server`.
    pub audiences: Option<BTreeSet<String>>,
    /// The modes that it may use: `test`, `live`.
    pub modes: Option<BTreeSet<String>>,
    /// The longest life of its CLIENT tokens, in seconds, where the common limit is longer.
    pub client_token_max_seconds: Option<u32>,
    /// Inputs that must be there, by itself or by the operator's defaults.
    pub required_inputs: BTreeSet<String>,
    /// The credential profiles that it may use.
    pub profiles: BTreeSet<String>,
    /// Most calls a second, and at once.
    pub calls_per_second: Option<u32>,
}

/// One request, as the rules see it.
pub struct Asked<'a> {
    /// The connector.
    pub connector: &'a str,
    /// The grant.
    pub grant: &'a str,
    /// The audience.
    pub audience: Audience,
    /// The mode.
    pub mode: Mode,
}

impl CallerPolicy {
    /// The rule that denies a request, with what it says about it; `None` where it is allowed.
    /// `given` tells whether an input is there.
    pub fn denies(&self, asked: &Asked<'_>, given: impl Fn(&str) -> bool) -> Option<(&'static str, String)> {
        let Asked { connector, grant, audience, mode } = *asked;
        let full = format!("{connector}.{grant}");
        let lacks =
            |list: &Option<BTreeSet<String>>, word: &str| list.as_ref().is_some_and(|list| !list.contains(word));
        if lacks(&self.connectors, connector) {
            return Some(("connectors", connector.to_owned()));
        }
        if lacks(&self.grants, grant) && lacks(&self.grants, &full) {
            return Some(("grants", full));
        }
        if lacks(&self.audiences, audience.label()) {
            return Some(("audiences", audience.label().to_owned()));
        }
        if lacks(&self.modes, mode.label()) {
            return Some(("modes", mode.label().to_owned()));
        }
        let missing = self.required_inputs.iter().find(|input| !given(input));
        missing.map(|input| ("required_inputs", format!("a request without connector_feature_data.{input}")))
    }

    /// Names in the rules that are none of a connector, grant, audience, mode or input, in words for
    /// the operator.
    pub(crate) fn faults(&self, caller: &str) -> Vec<String> {
        let metas = || connectors::CONNECTORS.iter().map(|registration| registration.meta);
        let grants = || metas().flat_map(|meta: &Meta| meta.grants.iter().map(move |grant| (meta, grant)));
        let is_grant = |name: &str| {
            grants().any(|(meta, grant)| name == grant.name || name == format!("{}.{}", meta.id, grant.name))
        };
        let is_input =
            |name: &str| grants().any(|(_, grant): (_, &Grant)| grant.inputs.iter().any(|input| input.name == name));
        let unknown =
            |rule: &str, names: Option<&BTreeSet<String>>, known: &dyn Fn(&str) -> bool, what: &str| -> Vec<String> {
                let names = names.into_iter().flatten().filter(|name| !known(name));
                names.map(|name| format!("policy.callers.{caller}.{rule}: {name} is no {what}")).collect()
            };
        let mut faults = unknown(
            "connectors",
            self.connectors.as_ref(),
            &|name| connectors::find(name).is_some(),
            "connector that gives tokens",
        );
        faults.extend(unknown(
            "grants",
            self.grants.as_ref(),
            &is_grant,
            "grant; `daypass connectors --json` lists them",
        ));
        faults.extend(unknown(
            "audiences",
            self.audiences.as_ref(),
            &|name| matches!(name, "client" | "server"),
            "audience (client, server)",
        ));
        faults.extend(unknown(
            "modes",
            self.modes.as_ref(),
            &|name| matches!(name, "test" | "live"),
            "mode (test, live)",
        ));
        faults.extend(unknown("required_inputs", Some(&self.required_inputs), &is_input, "input of any grant"));
        let zero =
            [("client_token_max_seconds", self.client_token_max_seconds), ("calls_per_second", self.calls_per_second)];
        faults.extend(
            zero.iter()
                .filter(|(_, number)| *number == Some(0))
                .map(|(rule, _)| format!("policy.callers.{caller}.{rule}: must be at least 1")),
        );
        faults
    }

    /// The rules with the connectors' names in their one form.
    pub(crate) fn canonical(mut self) -> Self {
        self.connectors = self.connectors.map(|names| names.iter().map(|name| canonical_id(name)).collect());
        self
    }
}

/// How many calls each caller may make now. A caller's allowance grows with time, up to that of one
/// second.
#[derive(Default)]
pub(crate) struct CallRates(Mutex<HashMap<String, Allowance>>);

struct Allowance {
    calls: f64,
    /// On the monotonic clock.
    at: Duration,
}

impl CallRates {
    /// Whether a caller with this limit may make a call at this moment, which counts.
    pub(crate) fn allow(&self, caller: &str, per_second: u32, now: Duration) -> bool {
        let most = f64::from(per_second);
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allowance = rates.entry(caller.to_owned()).or_insert(Allowance { calls: most, at: now });
        let grown = now.saturating_sub(allowance.at).as_secs_f64() * most;
        *allowance = Allowance { calls: (allowance.calls + grown).min(most), at: now };
        if allowance.calls < 1.0 {
            return false;
        }
        allowance.calls -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random numbers, the same in each run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % bound
        }

        fn some_of(&mut self, words: &[&str]) -> Vec<String> {
            words.iter().filter(|_| self.below(2) == 0).map(|word| (*word).to_owned()).collect()
        }
    }

    /// The same rules once more, as a person would go through them.
    fn naive(lists: &[Option<Vec<String>>; 4], required: &[String], asked: &[&str; 4], given: &[String]) -> bool {
        let [connector, grant, audience, mode] = asked;
        let mut allowed = true;
        if let Some(list) = &lists[0] {
            allowed &= list.iter().any(|name| name == connector);
        }
        if let Some(list) = &lists[1] {
            let mut found = false;
            for name in list {
                match name.split_once('.') {
                    Some((of, name)) => found |= of == *connector && name == *grant,
                    None => found |= name == grant,
                }
            }
            allowed &= found;
        }
        for (list, word) in [(&lists[2], audience), (&lists[3], mode)] {
            if let Some(list) = list {
                allowed &= list.iter().any(|name| name == word);
            }
        }
        for name in required {
            allowed &= given.contains(name);
        }
        allowed
    }

    #[test]
    fn ten_thousand_cases_agree_with_a_second_evaluator() {
        let (connectors, grants) = (["stripe", "adyen", "paypal"], ["session", "access_token", "ephemeral_key"]);
        let names = ["session", "stripe.session", "adyen.access_token", "access_token", "paypal.ephemeral_key"];
        let inputs = ["customer", "amount", "currency"];
        let mut dice = Dice(7);
        let mut allowed = 0;
        for _ in 0..10_000 {
            let mut list = |words: &[&str]| (dice.below(3) > 0).then(|| dice.some_of(words));
            let lists = [list(&connectors), list(&names), list(&["client", "server"]), list(&["test", "live"])];
            let required = if dice.below(2) == 0 { dice.some_of(&inputs) } else { Vec::new() };
            let given = dice.some_of(&inputs);
            let (connector, grant) = (connectors[dice.below(3)], grants[dice.below(3)]);
            let audience = [Audience::Client, Audience::Server][dice.below(2)];
            let mode = [Mode::Test, Mode::Live][dice.below(2)];
            let set = |list: &Option<Vec<String>>| list.clone().map(BTreeSet::from_iter);
            let policy = CallerPolicy {
                connectors: set(&lists[0]),
                grants: set(&lists[1]),
                audiences: set(&lists[2]),
                modes: set(&lists[3]),
                required_inputs: required.iter().cloned().collect(),
                ..CallerPolicy::default()
            };
            let asked = Asked { connector, grant, audience, mode };
            let denied = policy.denies(&asked, |name| given.iter().any(|given| given == name));
            let words = [connector, grant, audience.label(), mode.label()];
            assert_eq!(denied.is_none(), naive(&lists, &required, &words, &given), "{policy:?} {words:?} {given:?}");
            allowed += usize::from(denied.is_none());
        }
        assert!((500..9_500).contains(&allowed), "{allowed}");
    }

    #[test]
    fn an_allowance_grows_with_time_up_to_that_of_a_second() {
        let rates = CallRates::default();
        let allowed = |caller: &str, at_ms: u64, calls: usize| {
            (0..calls).filter(|_| rates.allow(caller, 10, Duration::from_millis(at_ms))).count()
        };
        assert_eq!(allowed("web", 0, 30), 10);
        assert_eq!(allowed("app", 0, 5), 5, "each caller has its own");
        assert_eq!(allowed("web", 500, 30), 5);
        assert_eq!(allowed("web", 60_000, 30), 10);
        assert_eq!(allowed("web", 1, 30), 0, "a clock that goes back gives nothing");
    }

    #[test]
    fn names_that_nothing_has_are_told() {
        let set = |name: &str| Some(BTreeSet::from([name.to_owned()]));
        let policy = CallerPolicy {
            connectors: set("strpe"),
            grants: set("stripe.no_grant"),
            audiences: set("browser"),
            modes: set("sandbox"),
            required_inputs: BTreeSet::from(["custommer".to_owned()]),
            calls_per_second: Some(0),
            ..CallerPolicy::default()
        };
        let faults = policy.faults("web");
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(faults.iter().all(|fault| fault.starts_with("policy.callers.web.")), "{faults:?}");
    }
}
