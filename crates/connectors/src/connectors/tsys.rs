//! TSYS TransIT: a manifest, made here, with which the TSEP page library tokenizes cards in the
//! browser.
//! <https://github.com/globalpayments/php-sdk>

use aes::{
    Aes128,
    cipher::{BlockEncryptMut as _, KeyIvInit as _, block_padding::NoPadding},
};
use hmac::{Hmac, Mac as _};
use md5::Md5;

use crate::prelude::*;

/// The manifest holds a date, so it lives for a day at most.
const DAY: u32 = 86_400;

#[derive(Deserialize)]
pub(super) struct Credentials {
    device_id: String,
    transaction_key: Secret,
}

const GLOBALPAYMENTS_JS: Source = Source::sdk("npm package @globalpayments/js 4.1.26 (types/tools/configure.d.ts)");

pub(super) struct Tsys;

impl Connector for Tsys {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "tsys",
        name: "TSYS",
        docs: "https://github.com/globalpayments/php-sdk",
        unconfirmed: &["A manifest is good for the day that it names; the day is counted in UTC."],
        evidence: &[
            Evidence::new(
                "parts, padding, cipher and MAC of the manifest",
                Source::third_party("a public PHP program, TSEP_Manifest, beside Global Payments' PHP library"),
                "2026-11",
            ),
            Evidence::new(
                "addresses of the page library for test and live",
                Source::third_party("several public pages that load jsView"),
                "2026-11",
            ),
            Evidence::new("that a page holds device id and manifest", GLOBALPAYMENTS_JS, "2026-11"),
        ],
        mode_shown: ModeShown::No(
            "Device ids and keys of test and live have the same form; the hosts differ (Global Payments' PHP library).",
        ),
        // Never called: the page loads the library from it.
        hosts: &[Host::main("https://gateway.transit-pass.com", "https://stagegw.transnox.com")],
        credentials: &[required("device_id").public(), required("transaction_key"), optional("developer_id")],
        grants: &[client_grant(
            "tsep_manifest",
            "tokenize cards for this device with TSEP, whose address is library_url, a question mark and the token",
            Lifetime::Fixed(DAY),
            tsep_manifest,
        )
        .by_default()
        .inputs(&[Input::text_of("merchant_id", 20).required(), Input::minor_units("amount")])
        .worst_case(
            "tokenize cards as this device until midnight UTC, stolen ones included (card testing)",
            &[Bound::Object],
        )
        .client_source(GLOBALPAYMENTS_JS)
        .client_parameters(&[
            ClientParameter::new(
                "device_id",
                "the device that the manifest is for",
                "configure({ deviceId, manifest })",
            ),
            ClientParameter::new(
                "library_url",
                "the address of the page library without the manifest",
                "<script src=\"library_url?token\">",
            ),
        ])
        .minting_ends_earlier(MintingEndsEarlier::No("it is made here; equal inputs give equal manifests all day"))],
    };
}

fn tsep_manifest(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let merchant_id = exchange.input.required_text("merchant_id")?;
    let amount = exchange.input.integer("amount").unwrap_or(0);
    let device_id = &credentials.device_id;
    if !merchant_id.is_ascii() {
        return Err(Error::invalid_input("merchant_id", "must be plain ASCII"));
    }
    if !device_id.is_ascii() || device_id.len() > 24 {
        return Err(Error::invalid_credential("device_id", "must be plain ASCII, at most 24 characters"));
    }
    let date = exchange.now.strftime("%m%d%Y");
    let manifest =
        sealed(&credentials.transaction_key, &format!("{merchant_id:<20}{device_id:<24}{amount:012}{date}"))?;
    let day = exchange.now.as_second().div_euclid(DAY.into());
    let midnight = day.saturating_add(1).saturating_mul(DAY.into());
    let library = exchange.url(&format!("/transit-tsep-web/jsView/{}", Exchange::segment(device_id)))?;
    let token = Token::new(&manifest, "tsep_manifest", Expiry::at_epoch(midnight)?)?
        .client("device_id", device_id)
        .client("library_url", library.to_string());
    Ok(Step::Done(token))
}

/// TSEP's scheme: the key is also the initialization vector, and the MAC is over the key, not the
/// text. It is not safe for any other use.
fn sealed(transaction_key: &Secret, text: &str) -> Result<String> {
    let key = transaction_key.expose().as_bytes();
    let half = key
        .get(..16)
        .ok_or_else(|| Error::invalid_credential("transaction_key", "must have at least 16 characters"))?;
    let internal = || Error::new(Kind::Internal, "the manifest could not be sealed");
    let cipher = cbc::Encryptor::<Aes128>::new_from_slices(half, half)
        .map_err(|_| internal())?
        .encrypt_padded_vec_mut::<NoPadding>(text.as_bytes());
    let mut mac = Hmac::<Md5>::new_from_slice(key).map_err(|_| internal())?;
    mac.update(key);
    let [first, second, .., last_but_one, last]: [u8; 16] = mac.finalize().into_bytes().into();
    Ok(format!("{}{}{}", hex::encode([first, second]), hex::encode(cipher), hex::encode([last_but_one, last])))
}
