//! Where something was written: a text with a name, and a place in it.
//!
//! Knows lines and columns. Must not know TOML, nor what the text means.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One text that a person wrote: a profile file, or a `--set` argument.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Names `text` by the file it came from.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into() })
    }

    /// The file, as it was named to us; relative paths inside it are relative to its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A place in a [`Source`]: what an error points at and what `explain` prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    source: Arc<Source>,
    span: Range<usize>,
}

impl Origin {
    /// `span` is in bytes; it is cut to the text and to character boundaries, so that it can always be shown.
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Self {
        let text = source.text();
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        Self { source: Arc::clone(source), span: start..floor(span.end).max(start) }
    }

    /// The text it lies in.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The bytes it covers.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Counted from 1.
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// Counted from 1, in characters.
    pub fn column(&self) -> usize {
        let line = self.before().rsplit('\n').next().unwrap_or_default();
        line.chars().count() + 1
    }

    /// Resolves a path written here: relative ones belong to the folder of the file they stand in.
    pub fn resolve(&self, written: &str) -> PathBuf {
        let folder = self.source.path.parent().unwrap_or(Path::new(""));
        normalize(&folder.join(written))
    }

    fn before(&self) -> &str {
        self.source.text.get(..self.span.start).unwrap_or_default()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.path.display(), self.line())
    }
}

// The text itself is long and may be shown many times over in a derived Debug; the place is what matters.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.path.display(), self.line(), self.column())
    }
}

/// Takes `.` and `..` out without looking at the file system, so that one file has one name.
pub fn normalize(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                Some(Component::RootDir) => {}
                _ => out.push(".."),
            },
            other => out.push(other),
        }
    }
    out
}

/// A value together with the place it was written at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub origin: Origin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_are_counted_in_characters() {
        let source = Source::new("a.toml", "eins\nzwö = 3\n");
        let origin = Origin::new(&source, 12..13);
        assert_eq!((origin.line(), origin.column()), (2, 7));
        assert_eq!(origin.to_string(), "a.toml:2");
    }

    #[test]
    fn a_span_inside_a_character_or_past_the_end_is_cut() {
        let source = Source::new("a", "ö");
        assert_eq!(Origin::new(&source, 1..99).span(), 0..2);
    }

    #[test]
    fn paths_are_relative_to_their_file() {
        let check = |file: &str, written: &str, expected: &str| {
            let origin = Origin::new(&Source::new(file, ""), 0..0);
            assert_eq!(origin.resolve(written), Path::new(expected), "{written} in {file}");
        };
        check("profiles/bastion.toml", "ca.pem", "profiles/ca.pem");
        check("profiles/bastion.toml", "../ca.pem", "ca.pem");
        check("bastion.toml", "../../ca.pem", "../../ca.pem");
        check("/etc/p.toml", "/ca.pem", "/ca.pem");
        check("/p.toml", "../ca.pem", "/ca.pem");
        check("bastion.toml", "./x/./y", "x/y");
    }
}
