//! The files of the playground's page, which the executable contains. Used by `playground`.

/// A file of the page.
pub(super) struct File {
    /// Its path below the page's.
    name: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub content: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! file {
    ($name:literal, $path:literal, $content_type:expr) => {
        File { name: $name, content_type: $content_type, content: include_bytes!(concat!("../../playground/", $path)) }
    };
}

/// All files. The page itself has the empty path.
const FILES: &[File] = &[
    file!("", "index.html", HTML),
    file!("style.css", "style.css", CSS),
    file!("icon.svg", "icon.svg", SVG),
    file!("app.js", "app.js", SCRIPT),
    file!("catalog.js", "catalog.js", SCRIPT),
    file!("checkout.js", "checkout.js", SCRIPT),
    file!("dom.js", "dom.js", SCRIPT),
    file!("form.js", "form.js", SCRIPT),
    file!("pass.js", "pass.js", SCRIPT),
    file!("snippets.js", "snippets.js", SCRIPT),
    file!("wire.js", "wire.js", SCRIPT),
];

/// The file with this path below the page's.
pub(super) fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small() {
        let bytes: usize = FILES.iter().map(|file| file.content.len()).sum();
        assert!(bytes <= 150 * 1024, "{bytes} bytes");
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playground");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| if name == "index.html" { String::new() } else { name })
            .collect();
        names.sort();
        let mut served: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        served.sort_unstable();
        assert_eq!(names, served);
    }
}
