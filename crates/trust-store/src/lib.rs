//! X.509 for one host: a certificate authority, server certificates, and where anchors live.
//!
//! Knows PEM, names, expiry, and where each distribution keeps anchors. Must not know who needs the trust, and
//! touches no file and no clock: bytes and the time are handed in.

mod anchors;
mod authority;
mod certificate;
mod error;
mod key;
mod name;
mod pair;

pub use anchors::{ANCHORS_DEBIAN, ANCHORS_RED_HAT, AnchorStore, certs_d};
pub use authority::{Authority, ServerPair};
pub use certificate::{Certificate, parse_pem};
pub use error::{Error, Result};
pub use key::{KeyKind, PrivateKey};
pub use name::SubjectName;
pub use pair::{Defect, Renewal, check_pair, renewal_due};
