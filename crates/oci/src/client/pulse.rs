//! Whether anything still moves on a connection: uploads take as long as they take, but never stand still for long.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::connect::Body;

/// When the last bytes were taken from a body that is sent.
#[derive(Clone)]
pub(super) struct Pulse(Arc<Mutex<Instant>>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Pulse {
    /// The same body, of which every piece that is taken is a sign of life.
    pub(super) fn felt_in(&self, body: Body) -> Body {
        Felt { body, pulse: self.clone() }.boxed_unsync()
    }

    /// Ends once nothing was taken for so long.
    pub(super) async fn stopped(&self, patience: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let left = patience.saturating_sub(last.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A body with a pulse.
struct Felt {
    body: Body,
    pulse: Pulse,
}

impl HttpBody for Felt {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.pulse.beat();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn a_pulse_stops_when_nothing_moves_and_not_before() {
        let patience = Duration::from_millis(200);
        let pulse = Pulse::default();
        let full = Full::new(Bytes::from_static(b"x")).map_err(|never| match never {}).boxed_unsync();
        let mut body = pulse.felt_in(full);
        tokio::time::sleep(patience / 2).await;
        body.frame().await.unwrap().unwrap();
        let begun = Instant::now();
        pulse.stopped(patience).await;
        assert!(begun.elapsed() >= patience * 9 / 10, "{:?}", begun.elapsed());
    }
}
