//! Certificates and private keys in PEM files (RFC 7468). Each fault of a file has its own words, and
//! no error has any part of a key. Used by `tls`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SigningKey},
};

/// Fewest characters of a private key as base64: less than one of Ed25519 has (RFC 8410).
const MIN_KEY_CHARACTERS: usize = 48;

/// A file of certificates or of a private key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {}{fault}", Shown(.file))]
pub(crate) struct PemError {
    setting: &'static str,
    file: PathBuf,
    fault: PemFault,
}

/// The fault of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum PemFault {
    #[error("the setting takes the path of a file, not its content")]
    Pasted,
    #[error("there is no such file")]
    Missing,
    #[error("this process may not read it")]
    Forbidden,
    #[error("it is a folder")]
    Folder,
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is empty")]
    Empty,
    #[error("it is UTF-16 text; PEM is ASCII")]
    Utf16,
    #[error("it is DER (binary); PEM is needed")]
    Der,
    #[error("its private key is encrypted; a key without a passphrase is needed")]
    Encrypted,
    #[error("it holds a certificate; a private key is needed")]
    CertificateForKey,
    #[error("it holds a private key; certificates are needed")]
    KeyForCertificate,
    #[error("no PEM private key")]
    NoPrivateKey,
    #[error("no PEM certificates")]
    NoCertificates,
    #[error("its key is not supported; RSA of 2048 to 4096 bits, ECDSA with P-256 or P-384, and Ed25519 are")]
    UnsupportedKey,
    #[error("its first certificate is not the server's; the certificate of the private key comes first")]
    WrongOrder,
    #[error("the private key belongs to none of its certificates")]
    KeyMismatch,
}

/// A path before its fault. A path that may be a key is left out.
pub(crate) struct Shown<'a>(pub &'a Path);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if is_pasted(self.0) { Ok(()) } else { write!(f, "{}: ", self.0.display()) }
    }
}

/// Whether a path is the content of a PEM file. DER begins with 0x30, which is `M` in base64.
pub(crate) fn is_pasted(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let base64 = |character: char| character.is_ascii_alphanumeric() || "+/=".contains(character);
    text.contains("-----")
        || text.contains(char::is_control)
        || text.len() >= MIN_KEY_CHARACTERS && text.starts_with('M') && text.chars().all(base64)
}

/// The certificates of a file.
///
/// # Errors
/// The file cannot be read or has no certificates.
pub(crate) fn certificates(setting: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let fail = |fault| PemError { setting, file: file.to_owned(), fault };
    let content = read(file).map_err(fail)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) if has_label(&content, "PRIVATE KEY-----") => Err(fail(PemFault::KeyForCertificate)),
        _ => Err(fail(PemFault::NoCertificates)),
    }
}

/// The private key of a file.
///
/// # Errors
/// The file cannot be read, has no private key, or one that this service cannot use.
pub(crate) fn private_key(
    setting: &'static str,
    file: &Path,
) -> Result<(PrivateKeyDer<'static>, Arc<dyn SigningKey>), PemError> {
    let fail = |fault| PemError { setting, file: file.to_owned(), fault };
    let content = read(file).map_err(fail)?;
    // RFC 7468 section 11, and the headers of RFC 1421 section 4.6.1.1 in older files.
    if has_label(&content, "BEGIN ENCRYPTED PRIVATE KEY") || has_label(&content, "Proc-Type: 4,ENCRYPTED") {
        return Err(fail(PemFault::Encrypted));
    }
    let key = PrivateKeyDer::from_pem_slice(&content).map_err(|_| {
        let certificate = has_label(&content, "BEGIN CERTIFICATE");
        fail(if certificate { PemFault::CertificateForKey } else { PemFault::NoPrivateKey })
    })?;
    let signing = default_provider().key_provider.load_private_key(key.clone_key());
    signing.map(|signing| (key, signing)).map_err(|_| fail(PemFault::UnsupportedKey))
}

/// Checks that the first certificate is that of the private key.
///
/// # Errors
/// Another certificate is, or none.
pub(crate) fn check_match(
    setting: &'static str,
    file: &Path,
    chain: &[CertificateDer<'static>],
    key: &Arc<dyn SigningKey>,
) -> Result<(), PemError> {
    let fits = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], key.clone()).keys_match().is_ok()
    };
    let fault = match chain.iter().position(fits) {
        Some(0) => return Ok(()),
        Some(_) => PemFault::WrongOrder,
        None => PemFault::KeyMismatch,
    };
    Err(PemError { setting, file: file.to_owned(), fault })
}

/// The content of a file, without the byte-order mark of UTF-8.
fn read(file: &Path) -> Result<Vec<u8>, PemFault> {
    if is_pasted(file) {
        return Err(PemFault::Pasted);
    }
    if file.is_dir() {
        return Err(PemFault::Folder);
    }
    let content = fs::read(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => PemFault::Missing,
        io::ErrorKind::PermissionDenied => PemFault::Forbidden,
        _ => PemFault::Unreadable,
    })?;
    match content.as_slice() {
        [0xef, 0xbb, 0xbf, text @ ..] => Ok(text.to_vec()),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(PemFault::Utf16),
        [0x30, length, ..] if !length.is_ascii() => Err(PemFault::Der),
        text if text.trim_ascii().is_empty() => Err(PemFault::Empty),
        text => Ok(text.to_vec()),
    }
}

fn has_label(content: &[u8], label: &str) -> bool {
    content.windows(label.len()).any(|part| part == label.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate and its key, PEM.
    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn each_fault_of_a_key_or_certificate_has_its_own_words_and_no_part_of_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.pem");
        let (certificate, key) = pair();
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let headers = key.replacen("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n", 1);
        let marked = format!("\u{feff}{key}");
        let garbled = key.replace("MIGH", "MIGI");
        let der = [0x30, 0x82, 0x01];
        let cases: [(&[u8], Option<PemFault>, Option<PemFault>); 9] = [
            (b"", Some(PemFault::Empty), Some(PemFault::Empty)),
            (b" \n", Some(PemFault::Empty), Some(PemFault::Empty)),
            (b"\xff\xfe-", Some(PemFault::Utf16), Some(PemFault::Utf16)),
            (&der, Some(PemFault::Der), Some(PemFault::Der)),
            (b"text", Some(PemFault::NoPrivateKey), Some(PemFault::NoCertificates)),
            (encrypted.as_bytes(), Some(PemFault::Encrypted), Some(PemFault::KeyForCertificate)),
            (certificate.as_bytes(), Some(PemFault::CertificateForKey), None),
            (marked.as_bytes(), None, Some(PemFault::KeyForCertificate)),
            (garbled.as_bytes(), Some(PemFault::UnsupportedKey), Some(PemFault::KeyForCertificate)),
        ];
        let body = key.lines().nth(1).unwrap();
        for (content, as_key, as_certificates) in cases {
            fs::write(&file, content).unwrap();
            let errors = [private_key("a", &file).err(), certificates("b", &file).err()];
            let faults = errors.each_ref().map(|error| error.as_ref().map(|error| error.fault));
            assert_eq!(faults, [as_key, as_certificates], "{}", String::from_utf8_lossy(content));
            assert!(!errors.iter().flatten().any(|error| error.to_string().contains(body)));
        }
        fs::write(&file, headers).unwrap();
        assert_eq!(private_key("a", &file).unwrap_err().fault, PemFault::Encrypted);
        assert_eq!(private_key("a", folder.path()).unwrap_err().fault, PemFault::Folder);
        let missing = private_key("tls.private_key_file", Path::new("/no/file.pem")).unwrap_err().to_string();
        assert_eq!(missing, "tls.private_key_file: /no/file.pem: there is no such file");
        let one_line: String = key.lines().filter(|line| !line.starts_with('-')).collect();
        for pasted in [key.as_str(), one_line.as_str()] {
            let error = private_key("tls.private_key_file", Path::new(pasted)).unwrap_err().to_string();
            assert_eq!(error, "tls.private_key_file: the setting takes the path of a file, not its content");
        }
    }

    #[test]
    fn the_certificate_of_the_private_key_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let [chain_file, key_file] = ["chain.pem", "key.pem"].map(|name| folder.path().join(name));
        let ((first, key), (second, _)) = (pair(), pair());
        fs::write(&key_file, key).unwrap();
        let (_, signing) = private_key("a", &key_file).unwrap();
        for (chain, fault) in [
            (format!("{first}{second}"), None),
            (format!("{second}{first}"), Some(PemFault::WrongOrder)),
            (second, Some(PemFault::KeyMismatch)),
        ] {
            fs::write(&chain_file, chain).unwrap();
            let chain = certificates("b", &chain_file).unwrap();
            let result = check_match("b", &chain_file, &chain, &signing);
            assert_eq!(result.err().map(|error| error.fault), fault);
        }
    }
}
