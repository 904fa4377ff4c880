//! Compiles the protocol: descriptors with protox (no protoc needed), then Rust types and service
//! traits, the fields of requests in JSON, and the description of the JSON path.

#[path = "build/json_fields.rs"]
mod json_fields;
#[path = "build/openapi.rs"]
mod openapi;

use std::{env, error::Error, fs, path::PathBuf};

/// The service whose methods are described, in each package.
const SERVICE: &str = "MerchantAuthenticationService";
/// Requests may give these texts as objects.
const JSON_TEXTS: [&str; 2] = ["metadata", "connector_feature_data"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let (public, own) = (root.join("../../proto"), root.join("proto"));
    let files = [
        public.join("ucs/v2/merchant_authentication.proto"),
        public.join("types/merchant_authentication.proto"),
        own.join("google/rpc/error_details.proto"),
        own.join("grpc/health/v1/health.proto"),
    ];
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=build.rs");
    for folder in [&public, &own] {
        println!("cargo::rerun-if-changed={}", folder.display());
    }

    // Compiler::encode_file_descriptor_set keeps options such as debug_redact, which
    // protox::compile loses.
    let mut compiler = protox::Compiler::new([&public, &own])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("daypass.binpb");
    fs::write(&descriptors, compiler.encode_file_descriptor_set())?;
    let fields = json_fields::source(&compiler.descriptor_pool());
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("json_fields.rs"), fields)?;
    let openapi = openapi::document(&compiler.descriptor_pool());
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("openapi.json"), format!("{openapi:#}\n"))?;

    connectrpc_build::Config::new()
        .descriptor_set(&descriptors)
        .files(&[
            "ucs/v2/merchant_authentication.proto",
            "ucs/v2/codes.proto",
            "ucs/v2/connector.proto",
            "ucs/v2/payment_context.proto",
            "ucs/v2/session_data.proto",
            "types/merchant_authentication.proto",
            "google/rpc/error_details.proto",
        ])
        .emit_descriptor_set("reflection.binpb")
        .emit_rerun_directives(false)
        .include_file("protocol.rs")
        .compile()?;
    Ok(())
}
