//! The programs of a host, as this crate calls them and understands them: each is a script that a test wrote, first in
//! the child's `PATH`, or the real one over a database of its own.

#![expect(clippy::unwrap_used, reason = "a set-up that fails is a test that fails")]

mod dnf;
mod fake;
mod packages;
mod running;
mod verbs;
