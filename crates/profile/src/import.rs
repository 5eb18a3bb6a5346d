//! From the first file to one merged tree: reading, imports, cycles.
//!
//! Knows `schema`, `imports` and how files name each other. Must not know sections, and touches no file
//! itself: it is handed a function that reads.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::FileError;
use crate::merge::Merge;
use crate::problem::{Problem, Problems};
use crate::source::{Origin, Source, normalize};
use crate::tree::{self, Entry, Table, Value};

/// Reads one whole file of the machine that the profile is on.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// The one version of the profile format there is.
pub const SCHEMA: i64 = 1;

/// Deeper than any sensible chain; symbolic links can make a cycle that has no two equal names.
const DEEPEST: usize = 32;

/// More than any sensible profile has; files that import each other along many ways are read once for each way.
const MOST: usize = 256;

/// Reads a text file; the errors are those a person makes.
pub fn read_text(path: &Path, read: ReadFile<'_>) -> Result<Arc<Source>, FileError> {
    let bytes = read(path).map_err(|source| FileError::from_io(path, source))?;
    let text = String::from_utf8(bytes).map_err(|error| FileError::NotUtf8 {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })?;
    Ok(Source::new(path, text))
}

/// Reads a profile and everything it imports, merged into one tree without `schema` and `imports`.
pub fn merged(
    path: &Path,
    read: ReadFile<'_>,
    problems: &mut Problems,
) -> Result<(Arc<Source>, Table), FileError> {
    let path = normalize(path);
    let source = read_text(&path, read)?;
    let mut loader = Loader { read, problems, chain: vec![path], imported: 0 };
    let table = loader.file(&source).unwrap_or_default();
    Ok((source, table))
}

struct Loader<'a> {
    read: ReadFile<'a>,
    problems: &'a mut Problems,
    /// The files being read, from the first to the current one.
    chain: Vec<PathBuf>,
    imported: usize,
}

impl Loader<'_> {
    fn file(&mut self, source: &Arc<Source>) -> Option<Table> {
        let mut table = tree::parse(source, self.problems)?;
        self.schema(source, table.remove("schema"));
        let imports = table.remove("imports");
        let mut written = self.import_list(imports);
        // By path, so that the order in which a person lists them leaves no trace.
        written.sort_by_key(|(written, origin)| origin.resolve(written));
        let mut merge = Merge::default();
        for (written, origin) in written {
            if let Some(import) = self.import(&written, &origin) {
                merge.import(import);
            }
        }
        Some(merge.under(table, self.problems))
    }

    fn schema(&mut self, source: &Arc<Source>, entry: Option<Box<Entry>>) {
        let help = format!("this version of provision reads `schema = {SCHEMA}`");
        let problem = match entry {
            Some(entry) => match entry.node.value {
                Value::Integer(SCHEMA) => return,
                Value::Integer(other) => {
                    Problem::new(&entry.node.origin, format!("schema {other} is not supported"), "")
                }
                other => {
                    let title = format!("`schema` expects an integer, found {}", other.kind());
                    Problem::new(&entry.node.origin, title, "")
                }
            },
            None => {
                let title = format!("the profile lacks `schema = {SCHEMA}`");
                Problem::new(&Origin::new(source, 0..0), title, "expected at the top")
            }
        };
        self.problems.push(problem.help(help));
    }

    fn import_list(&mut self, entry: Option<Box<Entry>>) -> Vec<(String, Origin)> {
        let Some(entry) = entry else { return Vec::new() };
        let Value::Array(items) = entry.node.value else {
            let title = format!("`imports` expects an array of paths, found {}", entry.node.value.kind());
            self.problems.push(Problem::new(&entry.node.origin, title, ""));
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in items {
            match item.value {
                Value::String(text) => out.push((text, item.origin)),
                other => {
                    let title = format!("an import expects a path as a string, found {}", other.kind());
                    self.problems.push(Problem::new(&item.origin, title, ""));
                }
            }
        }
        out
    }

    fn import(&mut self, written: &str, origin: &Origin) -> Option<Table> {
        let path = origin.resolve(written);
        if let Some(start) = self.chain.iter().position(|file| *file == path) {
            let mut names: Vec<String> =
                self.chain[start..].iter().map(|file| file.display().to_string()).collect();
            names.push(path.display().to_string());
            let label = names.join(" imports ");
            self.problems.push(Problem::new(origin, "cyclic import", label));
            return None;
        }
        if self.chain.len() >= DEEPEST {
            let title = format!("imports are nested more than {DEEPEST} deep");
            self.problems.push(Problem::new(origin, title, ""));
            return None;
        }
        self.imported += 1;
        if self.imported > MOST {
            let title = format!("more than {MOST} imports, those of imported files included");
            self.problems.push(Problem::new(origin, title, ""));
            return None;
        }
        let source = match read_text(&path, self.read) {
            Ok(source) => source,
            Err(error) => {
                let (title, label) = error.sentence();
                let help = "imports are relative to the file they stand in";
                self.problems.push(Problem::new(origin, title, label).help(help));
                return None;
            }
        };
        self.chain.push(path);
        let table = self.file(&source);
        self.chain.pop();
        table
    }
}
