//! A lock as text: TOML that is the same for the same entries, one block an entry, one line a value that can move by
//! itself, so that a change is read well in a version control system.

use std::fmt::{Display, Write as _};

use toml::Value;

use super::{Entry, Kind, Lock};
use crate::lock::read::SCHEMA;

const HEADER: &str = "\
# Written by `provision lock`: what the profile beside it names loosely, made exact. Keep both together.
# `provision lock --update NAME PROFILE` looks one entry up again; do not edit it by hand.
";

impl Lock {
    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = format!("{HEADER}schema = {SCHEMA}\n");
        for (key, entry) in &self.entries {
            let mut block = Block { text: &mut text };
            block.begin(entry.kind(), &key.name);
            if let Some(host) = &key.host {
                block.line("host", quoted(host));
            }
            block.entry(entry);
        }
        text
    }
}

/// One entry in the making.
struct Block<'a> {
    text: &'a mut String,
}

impl Block<'_> {
    fn begin(&mut self, kind: Kind, name: &str) {
        let _ = writeln!(self.text, "\n[[{}]]", kind.word());
        self.line("name", quoted(name));
    }

    fn line(&mut self, key: &str, value: impl Display) {
        // To a String nothing fails.
        let _ = writeln!(self.text, "{key} = {value}");
    }

    /// An array with one item a line.
    fn list(&mut self, key: &str, items: impl Iterator<Item = String>) {
        let items: String = items.map(|item| format!("  {{ {item} }},\n")).collect();
        self.line(key, if items.is_empty() { "[]".to_owned() } else { format!("[\n{items}]") });
    }

    fn entry(&mut self, entry: &Entry) {
        if let Some(digest) = entry.digest() {
            self.line("digest", quoted(digest));
        }
        match entry {
            Entry::Archive { .. } => {}
            Entry::File { size, .. } => self.line("size", size),
            Entry::Package { version } => self.line("version", quoted(version)),
            Entry::Image { platforms, .. } => {
                let item = |(architecture, platform): (&String, &super::Platform)| {
                    let (digest, id) = (quoted(platform.digest), quoted(platform.id));
                    format!("architecture = {}, digest = {digest}, id = {id}", quoted(architecture))
                };
                self.list("platforms", platforms.iter().map(item));
            }
            Entry::Release(release) => {
                self.line("version", quoted(&release.version));
                self.line("architecture", quoted(&release.architecture));
                self.line("size", release.size);
                let item = |(name, component): (&String, &super::Component)| {
                    format!(
                        "name = {}, image = {}, size = {}",
                        quoted(name),
                        quoted(&component.image),
                        component.size
                    )
                };
                self.list("components", release.components.iter().map(item));
            }
        }
    }
}

/// A text as TOML writes it.
fn quoted(text: impl Display) -> String {
    Value::String(text.to_string()).to_string()
}
