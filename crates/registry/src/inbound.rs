//! Bodies of requests: read by whoever answers, and taken off the connection for a while when nobody reads them.
//!
//! Knows what a client does that is still sending when the answer comes. Must not know what the bytes mean.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;

/// How long an unwanted body is read to nowhere.
///
/// A connection that is closed while the client still sends is reset, and the reset may overtake the answer: the
/// client then sees a broken pipe, and not why it was refused. Most bodies end within this time, and the connection
/// serves the next request; a client that sends for longer has had the time to read its answer.
const LINGER: Duration = Duration::from_secs(5);

/// The body of a request.
pub(crate) struct Inbound {
    /// `None` once it has been handed over.
    body: Option<Incoming>,
    /// The client sends nothing before it is told to, which the first read does.
    waits: bool,
    ended: bool,
}

impl Inbound {
    /// The body of the request that has these headers.
    pub(crate) fn new(body: Incoming, headers: &HeaderMap) -> Inbound {
        let expects = headers.get(EXPECT).is_some_and(|value| value.as_bytes().starts_with(b"100-"));
        Inbound { ended: body.is_end_stream(), body: Some(body), waits: expects }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.ended = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        let (Some(mut body), Ok(runtime)) = (self.body.take(), Handle::try_current()) else { return };
        if self.ended || self.waits {
            return;
        }
        // Beside the answer, not before it: a client that looks for it can stop sending at once.
        runtime.spawn(tokio::time::timeout(
            LINGER,
            async move { while let Some(Ok(_)) = body.frame().await {} },
        ));
    }
}
