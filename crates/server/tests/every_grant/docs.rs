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

#[tokio::test]
async fn the_calls_on_the_pages_succeed() {
    let served = TestServer::sandboxed();
    let mut count = 0;
    for (name, text) in pages() {
        for block in text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let part = |mark: &str| {
                let quoted = block.split(mark).nth(1).unwrap_or_else(|| panic!("{name}: {mark}"));
                quoted.split("' \\\n").next().unwrap().split("' ").next().unwrap().replace(r"'\''", "'")
            };
            let credentials = block.split("x-connector-auth: ").nth(1).unwrap().split("' \\\n").next().unwrap();
            let body = block.split("-d '").nth(1).unwrap().split("' \\\n").next().unwrap().replace(r"'\''", "'");
            let headers = [
                ("content-type", "application/json".to_owned()),
                ("x-connector", part("x-connector: ")),
                ("x-connector-auth", credentials.replace(r"'\''", "'")),
            ];
            let path = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken";
            let (status, answer) = http(&served.address.to_string(), "POST", path, &headers, &body);
            assert!(status == 200 && answer.contains("\"status\":\"SUCCESS\""), "{name}: {status} {answer}\n{block}");
            count += 1;
        }
    }
    println!("{count} calls");
}
