//! Private keys in PEM (RFC 7468), in the forms that vendors' dashboards and OpenSSL write: SEC1 or
//! PKCS #8, with a block of curve parameters before the key, with blank lines, with CRLF.
//! Connectors that sign with elliptic curves use it.

use p256::elliptic_curve::{
    AffinePoint, CurveArithmetic, FieldBytesSize, SecretKey,
    pkcs8::{AssociatedOid, DecodePrivateKey, ObjectIdentifier},
    sec1::{FromEncodedPoint, ModulusSize, ToEncodedPoint, ValidatePublicKey},
};
use secrecy::zeroize::Zeroizing;

use crate::encoding::base64_decode;

/// The curves that a message can name, by object identifier (RFC 5480 section 2.1.1.1, SEC 2).
const CURVES: [(ObjectIdentifier, &str); 4] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), "P-256"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "P-384"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "P-521"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.10"), "secp256k1"),
];

/// A block of PEM: its label and its bytes.
pub(crate) struct Block {
    /// `PRIVATE KEY`, `EC PRIVATE KEY`, …
    pub label: String,
    /// The DER inside.
    pub der: Zeroizing<Vec<u8>>,
}

/// The private key of this curve in a PEM text.
///
/// # Errors
/// The fault of the text, in words that follow the name of the field.
pub(crate) fn ec_private_key<C>(pem: &str) -> Result<SecretKey<C>, String>
where
    C: AssociatedOid + CurveArithmetic + ValidatePublicKey,
    AffinePoint<C>: FromEncodedPoint<C> + ToEncodedPoint<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let wanted = curve_name(C::OID).unwrap_or("elliptic curve");
    let key = private_key(pem, wanted)?;
    let read = SecretKey::from_sec1_der(&key.der).ok().or_else(|| SecretKey::from_pkcs8_der(&key.der).ok());
    read.ok_or_else(|| match blocks(pem).iter().find_map(|block| curve_in(&block.der)) {
        Some(curve) if curve != wanted => format!("is a {curve} key: the connector takes {wanted}"),
        _ if is_rsa(&key) => format!("is an RSA key: the connector takes {wanted}"),
        _ => format!("cannot be read: it must be a {wanted} private key in PEM (SEC1 or PKCS #8)"),
    })
}

/// The block of the private key in a PEM text, which should be of the `wanted` kind.
///
/// # Errors
/// The fault of the text, in words that follow the name of the field.
pub(crate) fn private_key(pem: &str, wanted: &str) -> Result<Block, String> {
    let mut blocks = blocks(pem);
    let Some(at) = blocks.iter().position(|block| block.label.ends_with("PRIVATE KEY")) else {
        return Err(no_key(&blocks, wanted));
    };
    if pem.trim_end().rsplit("-----").next().is_some_and(|after| !after.is_empty() && after != "\\n") {
        return Err("has text after its last line: send it exactly as it was issued".into());
    }
    let key = blocks.swap_remove(at);
    if key.label == "ENCRYPTED PRIVATE KEY" || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("is encrypted: give the key without a passphrase".into());
    }
    Ok(key)
}

/// Whether the key is one for RSA (RFC 8017 appendix A.1).
fn is_rsa(key: &Block) -> bool {
    const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    let holds = |bytes: &[u8]| bytes == RSA_ENCRYPTION.as_bytes();
    key.label == "RSA PRIVATE KEY" || key.der.windows(RSA_ENCRYPTION.as_bytes().len()).any(holds)
}

fn no_key(blocks: &[Block], wanted: &str) -> String {
    match blocks.first() {
        Some(block) => {
            format!("is PEM of {}, not a private key: give the {wanted} private key", block.label.to_lowercase())
        }
        None => format!("must be a {wanted} private key in PEM"),
    }
}

/// The blocks of a text. What lies before them, and lines with a colon, count as comments (RFC 7468
/// section 2, RFC 1421). `\n` as two characters is a line end: environment variables and JSON that
/// was escaped twice have it.
fn blocks(pem: &str) -> Vec<Block> {
    let pem = Zeroizing::new(pem.replace("\\n", "\n"));
    let mut blocks = Vec::new();
    let mut rest = pem.as_str();
    while let Some((_, after)) = rest.split_once("-----BEGIN ")
        && let Some((label, after)) = after.split_once("-----")
        && let Some((body, after)) = after.split_once("-----END ")
    {
        let lines = body.lines().filter(|line| !line.contains(':'));
        let base64 = Zeroizing::new(lines.flat_map(str::split_whitespace).collect::<String>());
        let der = base64_decode(&base64).map(Zeroizing::new);
        blocks.extend(der.map(|der| Block { label: label.to_owned(), der }));
        rest = after;
    }
    blocks
}

/// The curve whose object identifier is in these bytes.
fn curve_in(der: &[u8]) -> Option<&'static str> {
    let holds = |oid: &ObjectIdentifier| der.windows(oid.as_bytes().len()).any(|bytes| bytes == oid.as_bytes());
    CURVES.iter().find(|(oid, _)| holds(oid)).map(|(_, name)| *name)
}

fn curve_name(oid: ObjectIdentifier) -> Option<&'static str> {
    CURVES.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use p256::{NistP256, elliptic_curve::pkcs8::EncodePrivateKey};
    use p521::NistP521;

    use super::*;

    fn keys() -> (SecretKey<NistP256>, SecretKey<NistP521>) {
        (SecretKey::from_slice(&[1; 32]).unwrap(), SecretKey::from_slice(&[1; 66]).unwrap())
    }

    #[test]
    fn every_usual_form_is_read() {
        let (p256, p521) = keys();
        let sec1 = p521.to_sec1_pem(Default::default()).unwrap().to_string();
        let pkcs8 = p521.to_pkcs8_pem(Default::default()).unwrap().to_string();
        // `openssl ecparam -genkey` writes the curve first.
        let parameters = "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIw==\n-----END EC PARAMETERS-----\n";
        for pem in [
            sec1.clone(),
            pkcs8.clone(),
            format!("{parameters}{sec1}"),
            sec1.replace('\n', "\r\n"),
            pkcs8.replace("KEY-----\n", "KEY-----\n\n"),
            format!("\n  \n{pkcs8}\n\n"),
            format!("a comment\n{sec1}"),
            sec1.replace('\n', "\\n"),
            pkcs8.replace('\n', " "),
        ] {
            assert_eq!(ec_private_key::<NistP521>(&pem).as_ref(), Ok(&p521), "{pem}");
        }
        let sec1 = p256.to_sec1_pem(Default::default()).unwrap();
        assert_eq!(ec_private_key::<NistP256>(&sec1).as_ref(), Ok(&p256));
    }

    #[test]
    fn a_wrong_key_is_named() {
        let (p256, p521) = keys();
        let words = |pem: &str| ec_private_key::<NistP521>(pem).err().unwrap_or_default();
        assert!(words(&p256.to_pkcs8_pem(Default::default()).unwrap()).contains("a P-256 key"));
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let sec1 = p256.to_sec1_pem(Default::default()).unwrap().to_string();
        assert!(words(&format!("{parameters}{sec1}")).contains("takes P-521"));
        assert!(words(&sec1).contains("must be a P-521"));
        let wrong = ec_private_key::<NistP256>(&p521.to_pkcs8_pem(Default::default()).unwrap());
        assert!(wrong.err().unwrap_or_default().contains("a P-521 key"));
        let block = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        assert!(words(&block("CERTIFICATE")).contains("certificate"));
        assert!(words(&block("PUBLIC KEY")).contains("not a private key"));
        assert!(words(&block("ENCRYPTED PRIVATE KEY")).contains("passphrase"));
        assert!(words(&block("RSA PRIVATE KEY")).contains("RSA"));
        assert!(words("MAA=").contains("in PEM"));
        let pkcs8 = p521.to_pkcs8_pem(Default::default()).unwrap().to_string();
        assert!(words(&format!("{pkcs8}x")).contains("after its last line"));
    }
}
