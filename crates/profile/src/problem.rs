//! What is wrong with a profile, for the person who wrote it: title, place, help.
//!
//! Knows how a finding is drawn under its line. Must not know what the keys mean.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::source::{Located, Origin};

/// One finding. All findings of a load are reported together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    title: String,
    place: Located<String>,
    related: Vec<Located<String>>,
    help: Option<String>,
}

impl Problem {
    /// `title` says what is wrong; `label` stands under the caret and may be empty.
    pub fn new(origin: &Origin, title: impl Into<String>, label: impl Into<String>) -> Self {
        let place = Located { value: label.into(), origin: origin.clone() };
        Self { title: title.into(), place, related: Vec::new(), help: None }
    }

    /// Another place that belongs to the finding, such as the other of two contradictory lines.
    #[must_use]
    pub fn and(mut self, origin: &Origin, label: impl Into<String>) -> Self {
        self.related.push(Located { value: label.into(), origin: origin.clone() });
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What is wrong, in one line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where.
    pub fn origin(&self) -> &Origin {
        &self.place.origin
    }

    /// The remedy, where one is known.
    pub fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn draw(&self, renderer: &Renderer) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(self.title.as_str()));
        let paths: Vec<String> = std::iter::once(&self.place)
            .chain(&self.related)
            .map(|place| place.origin.source().path().display().to_string())
            .collect();
        let mut shown: Vec<&Origin> = Vec::new();
        for (index, place) in std::iter::once(&self.place).chain(&self.related).enumerate() {
            // One snippet per file: places of the same file are drawn together, at the first of them.
            if shown.iter().any(|origin| origin.source() == place.origin.source()) {
                continue;
            }
            shown.push(&place.origin);
            let mut snippet = Snippet::source(place.origin.source().text()).path(paths[index].as_str());
            for (position, other) in std::iter::once(&self.place).chain(&self.related).enumerate() {
                if other.origin.source() == place.origin.source() {
                    let kind = if position == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                    let label = (!other.value.is_empty()).then_some(other.value.as_str());
                    snippet = snippet.annotation(kind.span(other.origin.span()).label(label));
                }
            }
            group = group.element(snippet);
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

/// As many as anybody reads; to draw each takes a walk over its whole file.
const SHOWN: usize = 100;

/// Every finding of one load, in the order of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a finding. The same one twice (a file imported along two ways) counts once.
    pub fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// True when nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The findings.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are; a reader compares it before and after to see whether a part was in order.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Files keep the order they were read in; inside a file, lines ascend.
    pub(crate) fn sort(&mut self) {
        let mut files: Vec<std::path::PathBuf> = Vec::new();
        for problem in &self.0 {
            let path = problem.origin().source().path();
            if !files.iter().any(|file| file == path) {
                files.push(path.to_owned());
            }
        }
        self.0.sort_by_key(|problem| {
            let path = problem.origin().source().path();
            (files.iter().position(|file| file == path), problem.origin().span().start)
        });
    }

    /// The findings as text with the offending lines; `colour` for terminals.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut drawn: Vec<String> =
            self.0.iter().take(SHOWN).map(|problem| problem.draw(&renderer)).collect();
        if let more @ 1.. = self.0.len().saturating_sub(SHOWN) {
            drawn.push(format!("error: and {more} more"));
        }
        drawn.join("\n\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The known word nearest to what was typed, if it is near enough to be a slip of the hand.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&typed.to_lowercase(), word), word))
        .filter(|(distance, word)| *distance <= 1 + word.chars().count().max(3) / 4)
        .min()
        .map(|(_, word)| word)
}

/// `a`, `b` or `c`: the words of a choice.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_accepts_slips_and_refuses_other_words() {
        let known = ["port", "backend", "storage", "admin"];
        let check =
            |typed: &str, expected: Option<&str>| assert_eq!(nearest(typed, known), expected, "{typed}");
        check("prot", Some("port"));
        check("Port", Some("port"));
        check("storge", Some("storage"));
        check("backends", Some("backend"));
        check("colour", None);
        check("x", None);
    }

    #[test]
    fn list_reads_as_a_sentence() {
        assert_eq!(list([]), "");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
