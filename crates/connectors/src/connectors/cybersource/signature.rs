//! The two signatures of CyberSource's REST API: a JWT for each request, and the HTTP signature that
//! ends in March 2027. Both use the shared secret.
//!
//! They cover the vendor's own path: an operator's base URL may have a path before it, which
//! CyberSource does not see.

use http::Uri;
use serde::Serialize;

use crate::prelude::*;

/// The longest life of a request's JWT, in seconds: the guide refuses more.
const JWT_LIFETIME: i64 = 120;

/// A shared-secret key of a merchant.
pub(super) struct Key<'a> {
    /// The serial number of the key.
    pub id: &'a str,
    /// The merchant id.
    pub merchant: &'a str,
    /// The decoded secret.
    pub secret: &'a [u8],
}

fn host(uri: &Uri) -> &str {
    uri.authority().map_or("", |authority| authority.as_str())
}

fn digest(body: &[u8]) -> String {
    encoding::base64(crypto::sha256(&[body]))
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    kid: &'a str,
}

/// The claims in the order of the vendor's own SDK.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Claims<'a> {
    digest: &'a str,
    digest_algorithm: &'static str,
    iat: i64,
    exp: i64,
    request_host: &'a str,
    request_resource_path: &'a str,
    request_method: &'static str,
    iss: &'a str,
    jti: String,
    v_c_jwt_version: &'static str,
    v_c_merchant_id: &'a str,
}

/// <https://developer.cybersource.com/docs/cybs/en-us/platform/developer/all/rest/rest-getting-started/restgs-jwt-shared-secret-intro.html>
pub(super) fn with_jwt(key: &Key<'_>, exchange: &Exchange<'_>, uri: Uri, path: &str, body: &[u8]) -> Call {
    let now = exchange.now.as_second();
    let claims = Claims {
        digest: &digest(body),
        digest_algorithm: "SHA-256",
        iat: now,
        exp: now.saturating_add(JWT_LIFETIME),
        request_host: host(&uri),
        request_resource_path: path,
        request_method: "post",
        iss: key.merchant,
        jti: exchange.nonce.uuid(),
        v_c_jwt_version: "2",
        v_c_merchant_id: key.merchant,
    };
    let to_sign = crypto::jwt_to_sign(&Header { typ: "JWT", alg: "HS256", kid: key.id }, &claims);
    let jwt = crypto::signed_jwt(&to_sign, crypto::hmac_sha256(key.secret, &[to_sign.as_bytes()]));
    Call::post(uri).bearer(&jwt)
}

/// <https://developer.cybersource.com/docs/cybs/en-us/platform/developer/all/rest/rest-getting-started/restgs-http-message-intro.html>
pub(super) fn with_http_signature(
    key: &Key<'_>,
    exchange: &Exchange<'_>,
    uri: Uri,
    path: &str,
    body: &[u8],
) -> Result<Call> {
    let (date, digest) = (exchange.http_date()?, format!("SHA-256={}", digest(body)));
    let signed = format!(
        "host: {}\ndate: {date}\nrequest-target: post {path}\ndigest: {digest}\nv-c-merchant-id: {}",
        host(&uri),
        key.merchant
    );
    let signature = format!(
        "keyid=\"{}\", algorithm=\"HmacSHA256\", headers=\"host date request-target digest v-c-merchant-id\", signature=\"{}\"",
        key.id,
        encoding::base64(crypto::hmac_sha256(key.secret, &[signed.as_bytes()]))
    );
    Ok(Call::post(uri)
        .header("date", &date)
        .header("digest", &digest)
        .secret_header("v-c-merchant-id", key.merchant)
        .secret_header("signature", &signature))
}
