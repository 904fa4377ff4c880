//! Standard output of the commands. Used by every command through the macro `print_line!`.

use std::{
    fmt::Arguments,
    io::{Write, stdout},
};

/// The width of a terminal that nobody has widened.
const COLUMNS: usize = 80;
/// Exit code where the reader of standard output has left: 128 and the number of SIGPIPE, as shells
/// have it.
const BROKEN_PIPE: i32 = 141;

/// Writes a line to standard output. Where its reader has left, the process ends without a message.
macro_rules! print_line {
    ($($text:tt)*) => { $crate::cli::print::line(format_args!($($text)*)) };
}
pub(super) use print_line;

/// The function behind `print_line!`.
pub(super) fn line(line: Arguments<'_>) {
    let mut stdout = stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(BROKEN_PIPE);
    }
}

/// Prints the text after a head, see [`wrapped`].
pub(super) fn print_wrapped(head: &str, indent: usize, text: &str) {
    for line in wrapped(head, indent, text) {
        print_line!("{line}");
    }
}

/// The text after a head, in lines of at most [`COLUMNS`]; the lines after the first are indented. A
/// longer word has a line of its own.
fn wrapped(head: &str, indent: usize, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = head.to_owned();
    let mut begins = true;
    for word in text.split_whitespace() {
        let width = line.chars().count() + word.chars().count() + usize::from(!begins);
        if !begins && width > COLUMNS {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            begins = true;
        }
        if !begins {
            line.push(' ');
        }
        line.push_str(word);
        begins = false;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_after_its_head() {
        let words = "word ".repeat(30);
        let lines = wrapped("head  ", 6, &words);
        assert!(lines.len() == 2 && lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
        assert!(lines[0].starts_with("head  word") && lines[1].starts_with("      word"), "{lines:?}");
        assert_eq!(lines.concat().matches("word").count(), 30);
        let long = "x".repeat(100);
        assert_eq!(wrapped("a ", 2, &format!("{long} b")), [format!("a {long}"), "  b".to_owned()]);
        assert_eq!(wrapped("head ", 5, ""), ["head"]);
    }
}
