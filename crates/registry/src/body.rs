//! Bodies of answers: nothing, bytes, or a part of a file read while it is sent.
//!
//! Knows bytes. Must not know what they mean.

use std::io;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Bytes per read: fewer cost CPU, more only memory.
const READ: usize = 256 * 1024;

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// `length` bytes of `file` from where it stands. A file that ends before breaks the connection off, so that the
/// client sees a truncated answer and not a short one.
pub(crate) fn file(file: File, length: u64) -> Body {
    let stream = ReaderStream::with_capacity(file.take(length), READ);
    StreamBody::new(stream.map_ok(Frame::data)).boxed_unsync()
}
