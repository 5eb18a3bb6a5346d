//! A real server, asked by a real client: request by request, and by the programs that people use.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod clients;
mod entrance;
mod full_disk;
mod hostile;
mod protocol;
mod site;
