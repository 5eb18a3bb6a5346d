//! Trying again what may pass: growing pauses with chance in them, within a small budget.

use std::future::Future;
use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use super::error::ClientError;

/// How often something is tried in all.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// No registry can make us wait longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Does it, and again while the error may pass.
pub(super) async fn again<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut tried = 1;
    loop {
        match attempt().await {
            Err(error) if error.is_passing() && tried < TRIES => {
                tokio::time::sleep(pause(tried)).await;
                tried += 1;
            }
            ended => return ended,
        }
    }
}

/// 0.2, 0.4, 0.8, … seconds, each up to half shorter, so that many clients do not come back at once.
fn pause(tried: u32) -> Duration {
    let full = FIRST_PAUSE * 2u32.pow(tried - 1);
    let mut chance = [0];
    // Without chance the pause is only longer.
    let _ = openssl::rand::rand_bytes(&mut chance);
    full - full / 2 * u32::from(chance[0]) / 255
}

/// The pause that a registry asks for, in seconds (`Retry-After`; its date form is not used by registries).
pub(super) fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// Waits as long as the registry asked for.
pub(super) async fn note_pause(pause: Option<Duration>) {
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
}
