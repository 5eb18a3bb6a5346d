//! What can be wrong with a file of credentials, said so that a person can mend it.
//!
//! Names keys and positions. Must never contain a password, a token or an `auth` value.

use crate::credentials::AuthDefect;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong here. Lines and columns count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No byte but blanks.
    #[error("the file is empty; the smallest valid one is {{\"auths\": {{}}}}")]
    Empty,
    /// JSON is UTF-8.
    #[error("the file is not UTF-8: byte {offset} (counted from 0) begins no character")]
    NotUtf8 {
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// What some editors put before UTF-8; RFC 8259, section 8.1 forbids it, and podman refuses it.
    #[error(
        "the file begins with a byte order mark (EF BB BF), which JSON has not; save it as UTF-8 without one"
    )]
    ByteOrderMark,
    /// The JSON parser gave up.
    #[error("the file is not valid JSON (line {line}, column {column})")]
    Syntax {
        /// Line of the defect.
        line: usize,
        /// Column of the defect.
        column: usize,
        /// What the parser expected.
        #[source]
        source: serde_json::Error,
    },
    /// A key occurs twice in one object: which of the two is meant cannot be known.
    #[error(
        "key {key:?} occurs twice in {within} (second time near line {line}, column {column}); remove one of the two"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// The object that holds both, as a dotted path or `the file`.
        within: String,
        /// Line near the second occurrence.
        line: usize,
        /// Column near the second occurrence.
        column: usize,
    },
    /// A value has another type than the format says.
    #[error("{what} is not {expected}")]
    WrongType {
        /// The value, as a dotted path or `the file`.
        what: String,
        /// What it should be, with its article.
        expected: &'static str,
    },
    /// The `auth` field of an entry carries no usable user and password.
    #[error("the auth of entry {key:?} {defect}; write it anew with the user name and password")]
    Auth {
        /// The entry's key.
        key: String,
        /// What is wrong with it.
        defect: AuthDefect,
    },
    /// Credentials that the format cannot carry.
    #[error(
        "these credentials cannot be stored for {key:?}: user and password joined by a colon would be text that {defect}"
    )]
    Credentials {
        /// The key they were meant for.
        key: String,
        /// What a reader would find wrong.
        defect: AuthDefect,
    },
    /// The key of a new entry is not `host[:port][/path…]`.
    #[error("{key:?} {reason}; a key is host[:port] or host[:port]/namespace[/repository]")]
    Key {
        /// The key as given.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An entry was asked for by its key and is not there.
    #[error("there is no entry {key:?}; the file has: {}", list(.known))]
    NoEntry {
        /// The key as given.
        key: String,
        /// The keys that exist, in file order.
        known: Vec<String>,
    },
}

fn list(keys: &[String]) -> String {
    if keys.is_empty() { "no entries".to_owned() } else { keys.join(", ") }
}
