//! Standard output of the commands. Used by every command through the macro `print_line!`.

use std::{
    fmt::Arguments,
    io::{Write, stdout},
};

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
