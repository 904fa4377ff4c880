//! Edits of the hand-kept lists: one line goes in or out, every other byte stays.

use crate::Result;

/// Puts a line into a run of lines that is in alphabetical order of names. `name_of` gives the name
/// in a line of that run, and nothing for any other line.
///
/// # Errors
/// The text has no such run, or the name is in it.
pub(crate) fn insert(text: &str, line: &str, name_of: impl Fn(&str) -> Option<&str>) -> Result<String> {
    let name = name_of(line).ok_or_else(|| format!("no name in the line `{line}`"))?;
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.iter().any(|other| name_of(other) == Some(name)) {
        return Err(format!("{name} is in the list").into());
    }
    let follower = lines.iter().position(|other| name_of(other).is_some_and(|other| other > name));
    let last = || lines.iter().rposition(|other| name_of(other).is_some()).map(|last| last + 1);
    let at = follower.or_else(last).ok_or_else(|| format!("no list for the line `{line}`"))?;
    lines.insert(at, line);
    Ok(lines.join("\n") + "\n")
}

/// The text between two marks of a line.
pub(crate) fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.split_once(after).map(|(name, _)| name)
}

/// Takes the connector's entry, on one line or on several, out of the list of those that give no
/// tokens.
pub(crate) fn remove_unavailable(text: &str, name: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut entry = vec![line];
        if line == "    (" {
            entry.extend(lines.by_ref().take_while(|line| *line != "    ),"));
            entry.push("    ),");
        }
        let quoted = format!("\"{name}\",");
        let names_it = |line: &&str| line.trim_start().trim_start_matches('(').starts_with(&quoted);
        if !(line.starts_with("    (") && entry.iter().any(names_it)) {
            kept.extend(entry);
        }
    }
    kept.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_to_its_place_in_the_alphabet() {
        for (name, want) in [
            ("a", "x\nmod a;\nmod b;\nmod bc;\ny\n"),
            ("ba", "x\nmod b;\nmod ba;\nmod bc;\ny\n"),
            ("c", "x\nmod b;\nmod bc;\nmod c;\ny\n"),
        ] {
            let line = format!("mod {name};");
            let put = insert("x\nmod b;\nmod bc;\ny\n", &line, |line| between(line, "mod ", ";"));
            assert_eq!(put.unwrap(), want);
        }
        for text in ["x\n", "mod b;\n"] {
            assert!(insert(text, "mod b;", |line| between(line, "mod ", ";")).is_err(), "{text}");
        }
    }

    #[test]
    fn an_entry_goes_whether_it_has_one_line_or_four() {
        let list =
            "[\n    (\n        \"a\",\n        \"why\",\n    ),\n    (\"ab\", \"a\"),\n    (\"b\", \"why\"),\n];\n";
        assert_eq!(remove_unavailable(list, "a"), "[\n    (\"ab\", \"a\"),\n    (\"b\", \"why\"),\n];\n");
        let rest = list.replace("    (\"b\", \"why\"),\n", "");
        assert_eq!(remove_unavailable(list, "b"), rest);
        assert_eq!(remove_unavailable(list, "c"), list);
    }
}
