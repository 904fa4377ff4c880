//! The pages in `docs/connectors/`: they are up to date, and their calls succeed.

use std::path::Path;

use daypass_server::connector_docs::pages;

use super::http;
use crate::common::TestServer;

#[test]
fn the_pages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut names: Vec<String> = Vec::new();
    for (name, text) in pages() {
        let written = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(written == text, "docs/{name} is stale: run `daypass connectors --pages docs`");
        names.push(name);
    }
    for file in std::fs::read_dir(folder.join("connectors")).unwrap() {
        let name = format!("connectors/{}", file.unwrap().file_name().into_string().unwrap());
        assert!(names.contains(&name), "docs/{name} belongs to no connector");
    }
}

/// A call as a page shows it.
pub(super) struct PageCall {
    /// The file of the page.
    pub page: String,
    /// The block of the page.
    pub block: String,
    pub headers: [(&'static str, String); 3],
    pub body: String,
}

pub(super) const PATH: &str = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken";

/// The calls of all pages, in their order.
pub(super) fn page_calls() -> Vec<PageCall> {
    let mut calls = Vec::new();
    for (page, text) in pages() {
        for block in text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let part = |mark: &str| {
                let quoted = block.split(mark).nth(1).unwrap_or_else(|| panic!("{page}: {mark}"));
                quoted.split("' \\\n").next().unwrap().replace(r"'\''", "'")
            };
            calls.push(PageCall {
                headers: [
                    ("content-type", "application/json".to_owned()),
                    ("x-connector", part("x-connector: ").split("' ").next().unwrap().to_owned()),
                    ("x-connector-auth", part("x-connector-auth: ")),
                ],
                body: part("-d '"),
                page: page.clone(),
                block: block.to_owned(),
            });
        }
    }
    calls
}

#[tokio::test]
async fn the_calls_on_the_pages_succeed() {
    let served = TestServer::sandboxed();
    let calls = page_calls();
    for PageCall { page, block, headers, body } in &calls {
        let (status, answer) = http(&served.address.to_string(), "POST", PATH, headers, body);
        assert!(status == 200 && answer.contains("\"status\":\"SUCCESS\""), "{page}: {status} {answer}\n{block}");
    }
    println!("{} calls", calls.len());
}
