//! Connection tokens of Terminal, for card readers.

use serde_json::{Value, json};

use super::{
    mode::Mode,
    params::{check, exists},
};
use crate::{
    http::{Answer, Pairs},
    vendor_state::VendorState,
};

pub(super) fn connection_token(form: &Pairs, mode: Mode, state: &mut VendorState) -> Result<Value, Answer> {
    check(form, "location", &[])?;
    exists(form, "location", "tml_")?;
    let secret = state.random_id(&format!("pst_{}_", mode.name()), 40);
    state.issue(&secret, "connection_token", None, &[]);
    let mut token = json!({"object": "terminal.connection_token", "secret": secret});
    if let (Some(token), Some(location)) = (token.as_object_mut(), form.value("location")) {
        token.insert("location".to_owned(), json!(location));
    }
    Ok(token)
}
