//! One user and password, and their form in an `auth` field: base64 of `user:password`.
//!
//! Knows that encoding and its usual defects. Must not know keys, files or hosts.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::{Zeroize as _, Zeroizing};

/// A user name and its password.
#[derive(Clone)]
pub struct Credentials {
    /// The user name; has no colon.
    pub username: String,
    /// The password; may contain colons.
    pub password: SecretString,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials {{ username: {:?}, password: <secret> }}", self.username)
    }
}

impl Credentials {
    /// Credentials of a user name and a password, not yet checked: [`AuthFile::set`](crate::AuthFile::set) does.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials { username: username.into(), password: SecretString::from(password.into()) }
    }

    /// The value of an `Authorization` header for HTTP Basic authentication (RFC 7617).
    pub fn authorization(&self) -> SecretString {
        let auth = self.to_auth();
        SecretString::from(format!("Basic {}", auth.as_str()))
    }

    /// The text of an `auth` field.
    pub(crate) fn to_auth(&self) -> Zeroizing<String> {
        let joined = Zeroizing::new(format!("{}:{}", self.username, self.password.expose_secret()));
        Zeroizing::new(STANDARD.encode(joined.as_bytes()))
    }

    /// What a reader would find wrong with these, were they written to an `auth` field.
    pub(crate) fn check(&self) -> Result<(), AuthDefect> {
        if self.username.contains(':') {
            return Err(AuthDefect::ColonInUser);
        }
        let joined = Zeroizing::new(format!("{}:{}", self.username, self.password.expose_secret()));
        let read = split(&joined)?;
        if read.password.expose_secret().is_empty() { Err(AuthDefect::NoPassword) } else { Ok(()) }
    }

    /// Reads an `auth` field. An empty password is accepted: tools write one beside an identity token.
    pub(crate) fn from_auth(auth: &str) -> Result<Credentials, AuthDefect> {
        if let Some(at) = auth.find(['\n', '\r', ' ', '\t']) {
            return Err(AuthDefect::Blank { at });
        }
        let mut bytes = STANDARD.decode(auth).map_err(|_| AuthDefect::NotBase64)?;
        let read = match std::str::from_utf8(&bytes) {
            Ok(joined) => split(joined),
            Err(_) => Err(AuthDefect::NotText),
        };
        bytes.zeroize();
        read
    }

    /// Same user and same password.
    pub(crate) fn same_as(&self, username: &str, password: &str) -> bool {
        self.username == username && self.password.expose_secret() == password
    }
}

fn split(joined: &str) -> Result<Credentials, AuthDefect> {
    match joined.as_bytes().last() {
        Some(b'\n' | b'\r') => return Err(AuthDefect::TrailingNewline),
        Some(0) => return Err(AuthDefect::TrailingNul),
        _ => {}
    }
    if joined.chars().any(char::is_control) {
        return Err(AuthDefect::ControlCharacter);
    }
    let (username, password) = joined.split_once(':').ok_or(AuthDefect::NoColon)?;
    if username.is_empty() {
        return Err(AuthDefect::NoUser);
    }
    Ok(Credentials::new(username, password))
}

/// What can be wrong with an `auth` field. None of these shows any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthDefect {
    /// White space inside, as `base64` without `-w0` leaves it.
    Blank {
        /// Offset of the first blank in the field.
        at: usize,
    },
    /// Not standard, padded base64 (RFC 4648, section 4).
    NotBase64,
    /// Decodes to bytes that are not UTF-8.
    NotText,
    /// Ends with a line break, as `echo user:password | base64` does.
    TrailingNewline,
    /// Ends with a NUL byte.
    TrailingNul,
    /// A control character somewhere else.
    ControlCharacter,
    /// Nothing separates user and password.
    NoColon,
    /// Begins with the colon.
    NoUser,
    /// Ends with the colon, and no identity token stands beside it.
    NoPassword,
    /// The user name itself has a colon: the rest would be read as the password.
    ColonInUser,
}

impl fmt::Display for AuthDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthDefect::Blank { at } => {
                write!(
                    f,
                    "has a blank or a line break at character {at} (`base64` breaks lines unless told `-w0`)"
                )
            }
            AuthDefect::NotBase64 => f.write_str("is not base64 (standard alphabet, padded)"),
            AuthDefect::NotText => f.write_str("decodes to bytes that are not UTF-8 text"),
            AuthDefect::TrailingNewline => {
                f.write_str("decodes to text that ends with a line break (`echo` without `-n` adds one)")
            }
            AuthDefect::TrailingNul => f.write_str("decodes to text that ends with a NUL byte"),
            AuthDefect::ControlCharacter => f.write_str("decodes to text with a control character in it"),
            AuthDefect::NoColon => f.write_str("does not decode to user:password, there is no colon"),
            AuthDefect::NoUser => f.write_str("decodes to an empty user name"),
            AuthDefect::NoPassword => f.write_str("decodes to an empty password"),
            AuthDefect::ColonInUser => {
                f.write_str("has a colon in the user name, so that the rest is read as password")
            }
        }
    }
}
