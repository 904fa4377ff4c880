//! Connector names: from the caller's spelling to the registry's id. The request check, the
//! settings and the server use it.

use connectors::Registration;

/// Whether a connector of the enum gives tokens.
pub enum Availability {
    /// It does.
    Available(&'static Registration),
    /// It does not, for this reason.
    Unavailable(&'static str),
    /// There is no such connector.
    Unknown,
}

/// Looks a connector up by its canonical id.
pub fn availability(id: &str) -> Availability {
    match connectors::find(id) {
        Some(registration) => Availability::Available(registration),
        None => connectors::why_not(id).map_or(Availability::Unknown, Availability::Unavailable),
    }
}

/// `(earlier name, name)` of connectors that the enum has renamed.
const RENAMED: [(&str, &str); 1] = [("sanlam", "absa_sanlam")];

/// A connector's name as the enum has it, in lower case. Credentials may name it in camel case
/// (`PinelabsOnline`).
pub fn canonical_id(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    if let Some((_, renamed)) = RENAMED.iter().find(|(earlier, _)| *earlier == name) {
        return (*renamed).to_owned();
    }
    if matches!(availability(&name), Availability::Unknown) {
        let bare = |id: &str| id.replace('_', "");
        let known = connectors::CONNECTORS.iter().map(|registration| registration.meta.id);
        let all = known.chain(connectors::UNAVAILABLE.iter().map(|(id, _)| *id));
        if let Some(id) = all.into_iter().find(|id| bare(id) == bare(&name)) {
            return id.to_owned();
        }
    }
    name
}
