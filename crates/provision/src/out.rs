//! Where words go: data to standard output, everything else to standard error.
//!
//! The only module that prints.

use std::io::{ErrorKind, Write as _};
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};

use crate::cli::Colour;
use crate::stream::{self, Told};

/// What headings look like.
pub const HEADING: Style = Style::new().bold();
/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What needs a look.
pub const CAREFUL: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What can be passed over.
pub const FAINT: Style = Style::new().dimmed();

/// Decides about colours, once, before anything is printed.
pub fn set_colour(colour: Colour) {
    match colour {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// A text in a style.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Why data did not all arrive.
static LOST: OnceLock<String> = OnceLock::new();

/// A line of data.
pub fn data(text: impl std::fmt::Display) {
    let mut stdout = anstream::stdout();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        // A reader that has gone away (`| head`) wants no more; that is no error.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(LOST.set(error.to_string())),
        _ => {}
    }
}

/// Why standard output is not complete, if it is not.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// A line of anything else; an event of its own where standard error is a stream of events.
pub fn note(text: impl std::fmt::Display) {
    if stream::is_begun() {
        let text = anstream::adapter::strip_str(&text.to_string()).to_string();
        return stream::tell(&Told::Note { text });
    }
    line(text);
}

/// A line on standard error, as it is.
pub fn line(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// One JSON object, as data.
pub fn json(value: &serde_json::Value) {
    data(serde_json::to_string_pretty(value).unwrap_or_default());
}
