//! TSYS TransIT: the manifest of the TSEP page.
//!
//! Written from a public PHP program (`TSEP_Manifest`) and pages that load the library, not from
//! the library that the connector follows. There is no token call: a browser loads the library of the
//! page with the manifest. The manifest is valid on its day; the fake takes the day in UTC. The
//! address without a manifest answers with a script that only says so; that is invented.

use aes::{
    Aes128,
    cipher::{BlockDecryptMut, KeyIvInit, block_padding::NoPadding},
};
use hmac::{Hmac, Mac};
use md5::Md5;
use serde_json::json;

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request, text},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const KEY: &str = "SANDBOXTRANSACTIONKEY01";

const EXAMPLES: &[(&str, &str)] = &[("tsep_manifest", r#"{"merchant_id": "887000000001"}"#)];

pub(super) static TSYS: FakeVendor = FakeVendor {
    name: "tsys",
    credentials: r#"{"device_id": "88700000000101", "transaction_key": "SANDBOXTRANSACTIONKEY01", "developer_id": "sandbox"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| error(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "tsep_manifest",
        allowed: |client| {
            let device = client.client_parameters.get("device_id").map_or("88700000000101", String::as_str);
            let path = format!("/tsys/transit-tsep-web/jsView/{device}?{}", client.token);
            ClientCall::new("load the page library that tokenizes cards", "GET", path)
        },
        forbidden: |client| {
            let call = ClientCall::new("return a payment", "POST", "/tsys/servlets/TransNox_API_Server");
            call.json(&json!({"Return": {"deviceID": "88700000000101", "transactionKey": client.token}}))
        },
    }],
};

fn error(status: u16) -> Answer {
    let body = json!({"status": "FAIL", "responseCode": "F9901", "responseMessage": "Device authentication failed"});
    Answer::json(status, &json!({"Response": body}))
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["transit-tsep-web", "jsView", _]) if !request.target.contains('?') => {
            let script = "console.error('TSEP: the address lacks its manifest');";
            Ok(Answer::of(200, "text/javascript", script.to_owned()))
        }
        ("GET", ["transit-tsep-web", "jsView", device]) => {
            let manifest = request.target.split_once('?').map_or("", |(_, manifest)| manifest);
            let today = timestamp(state.now).strftime("%m%d%Y").to_string();
            let valid = opened(manifest).is_some_and(|plain| {
                let (merchant, own) = (plain.get(..20), plain.get(20..44));
                let amount = plain.get(44..56).is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
                merchant.is_some_and(|it| !it.trim().is_empty())
                    && own.map(str::trim_end) == Some(*device)
                    && amount
                    && plain.get(56..) == Some(&today)
            });
            valid.then(|| Answer::of(200, "text/javascript", "/* TSEP */".to_owned())).ok_or_else(|| error(401))
        }
        ("POST", ["servlets", "TransNox_API_Server"]) => {
            let valid = text(&request.json().unwrap_or_default(), "/Return/transactionKey") == KEY;
            let body = json!({"ReturnResponse": {"status": "PASS", "responseCode": "A0000"}});
            valid.then(|| Answer::json(200, &body)).ok_or_else(|| error(401))
        }
        _ => Err(error(404)),
    }
}

/// The 64 decrypted characters of a manifest, if the published key made it.
fn opened(manifest: &str) -> Option<String> {
    let mac = Hmac::<Md5>::new_from_slice(KEY.as_bytes()).ok()?.chain_update(KEY).finalize().into_bytes();
    let mac = hex::encode(mac);
    let sealed = manifest.strip_prefix(mac.get(..4)?)?.strip_suffix(mac.get(28..)?)?;
    let bytes = hex::decode(sealed).ok().filter(|bytes| bytes.len() == 64)?;
    let key = KEY.as_bytes().get(..16)?;
    let plain = cbc::Decryptor::<Aes128>::new_from_slices(key, key).ok()?.decrypt_padded_vec_mut::<NoPadding>(&bytes);
    String::from_utf8(plain.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, NOW};
    use aes::cipher::BlockEncryptMut;

    #[test]
    fn a_manifest_is_good_for_its_day() {
        let today = timestamp(NOW).strftime("%m%d%Y").to_string();
        let plain = format!("{:<20}{:<24}{:012}{today}", "887000000001", "88700000000101", 0);
        let key = &KEY.as_bytes()[..16];
        let sealed = cbc::Encryptor::<Aes128>::new_from_slices(key, key).unwrap();
        let sealed = hex::encode(sealed.encrypt_padded_vec_mut::<NoPadding>(plain.as_bytes()));
        let mac =
            hex::encode(Hmac::<Md5>::new_from_slice(KEY.as_bytes()).unwrap().chain_update(KEY).finalize().into_bytes());
        let manifest = json!(format!("{}{sealed}{}", mac.split_at(4).0, mac.split_at(28).1));
        let left = 86_400 - NOW % 86_400;
        Fake::new("tsys").check_token_use("tsep_manifest", &manifest, &[], Some(left));
    }
}
