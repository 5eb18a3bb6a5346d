//! The text of a unit file (systemd.syntax(7)): sections, ordered keys that may repeat, values quoted so that
//! systemd reads back what was meant.

use std::fmt::Write as _;

use crate::tier::Version;

/// A container that cannot be written as a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// podman is too old.
    #[error("podman {version} is too old: expected 3.3 or newer")]
    Unsupported {
        /// The version found.
        version: Version,
    },
    /// A value that no unit file can hold, or that would mean something else there.
    #[error("{key} = {value:?} cannot be written into a unit: expected {expected}")]
    BadValue {
        /// Which value.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it has to be.
        expected: &'static str,
    },
}

/// The text of a unit file, written from top to bottom.
#[derive(Debug, Clone, Default)]
pub struct UnitText {
    text: String,
}

impl UnitText {
    /// A text that begins with a comment of one line.
    pub fn new(comment: &str) -> Self {
        Self { text: format!("# {}\n", comment.replace('\n', " ")) }
    }

    /// Begins a section.
    pub fn section(&mut self, name: &str) -> &mut Self {
        let _ = write!(self.text, "\n[{name}]\n");
        self
    }

    /// Adds a line as it stands; for values of one's own that need no quoting.
    pub fn raw(&mut self, key: &str, value: &str) -> &mut Self {
        let _ = writeln!(self.text, "{key}={value}");
        self
    }

    /// Adds a line whose value is one word of free text: `%` is no specifier in it.
    pub fn text(&mut self, key: &'static str, value: &str) -> Result<&mut Self, Error> {
        printable(key, value)?;
        Ok(self.raw(key, &value.replace('%', "%%")))
    }

    /// Adds a line whose value systemd splits into words, as in `Environment=` and `ExecStart=`.
    pub fn words<'a>(
        &mut self,
        key: &'static str,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<&mut Self, Error> {
        let quoted: Result<Vec<String>, Error> = words.into_iter().map(|word| quote(key, word)).collect();
        Ok(self.raw(key, &quoted?.join(" ")))
    }

    /// Adds a line whose value is a command: `$` is no variable in it.
    pub fn command<'a>(
        &mut self,
        key: &'static str,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<&mut Self, Error> {
        let quoted: Result<Vec<String>, Error> =
            words.into_iter().map(|word| quote(key, word).map(|word| word.replace('$', "$$"))).collect();
        Ok(self.raw(key, &quoted?.join(" ")))
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.text
    }
}

fn printable(key: &'static str, value: &str) -> Result<(), Error> {
    if value.chars().any(char::is_control) || value.trim() != value {
        let expected = "one line without control characters and without spaces at its ends";
        return Err(Error::BadValue { key, value: value.to_owned(), expected });
    }
    Ok(())
}

/// One word for systemd's splitter: quoted where it must be, `%` doubled (systemd.service(5), COMMAND LINES).
fn quote(key: &'static str, word: &str) -> Result<String, Error> {
    if word.chars().any(char::is_control) {
        let expected = "text without control characters";
        return Err(Error::BadValue { key, value: word.to_owned(), expected });
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+[]%$".contains(c);
    let bare = !word.is_empty() && word.chars().all(plain);
    Ok(if bare { escaped } else { format!("\"{escaped}\"") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Splits as systemd does, for what this module writes: double quotes, backslashes, `%%`, `$$`.
    fn split(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                '\\' => word.extend(chars.next()),
                '%' | '$' => word.extend(chars.next()),
                ' ' if !quoted => {
                    if any {
                        words.push(std::mem::take(&mut word));
                    }
                    any = false;
                    continue;
                }
                c => word.push(c),
            }
            any = true;
        }
        if any {
            words.push(word);
        }
        words
    }

    proptest! {
        #[test]
        fn systemd_reads_back_the_words_that_were_meant(words in proptest::collection::vec("[ -~äß]{0,12}", 1..5)) {
            let mut unit = UnitText::default();
            unit.command("ExecStart", words.iter().map(String::as_str)).unwrap();
            let text = unit.finish();
            let line = text.trim_end_matches('\n').strip_prefix("ExecStart=").unwrap();
            prop_assert_eq!(split(line), words);
        }
    }

    #[test]
    fn a_newline_is_refused() {
        let error = UnitText::default().command("ExecStart", ["a\nb"]).unwrap_err().to_string();
        assert!(error.contains("ExecStart") && error.contains("control"), "{error}");
    }
}
