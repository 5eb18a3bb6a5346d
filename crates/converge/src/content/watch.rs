//! Watches a copy: tells how far it is, and ends it when the run is interrupted.

use std::time::Duration;

use provision_mirror::{Error as MirrorError, Event as Progress, Listener as MirrorListener};
use tokio::sync::mpsc::unbounded_channel;

use crate::error::{Error, Result};
use crate::event::{Event, Listener};

/// How often a copy is asked whether it shall go on, and bytes are told.
const BEAT: Duration = Duration::from_millis(500);

/// Who watches a copy.
pub(super) struct Watch<'a> {
    /// The content.
    pub(super) name: &'a str,
    /// Told how far it is.
    pub(super) listener: Listener<'a>,
    /// Asked whether it shall end.
    pub(super) interrupted: &'a dyn Fn() -> bool,
}

impl Watch<'_> {
    /// Runs a copy to its end, or until the run is interrupted: what has arrived by then stays.
    pub(super) async fn over<T>(
        &self,
        copy: impl AsyncFnOnce(MirrorListener<'_>) -> Result<T, MirrorError>,
    ) -> Result<T> {
        let (teller, mut told) = unbounded_channel();
        let listener = move |progress: Progress| {
            // Nobody listens any more once the copy has ended.
            let _ = teller.send(progress);
        };
        let copy = copy(&listener);
        tokio::pin!(copy);
        let mut beat = tokio::time::interval(BEAT);
        let mut bytes = 0;
        let ended = loop {
            tokio::select! {
                Some(progress) = told.recv() => self.tell(progress, &mut bytes),
                _ = beat.tick() => {
                    self.tell_bytes(&mut bytes);
                    if (self.interrupted)() {
                        return Err(Error::Interrupted { before: format!("the end of content:{}", self.name) });
                    }
                }
                ended = &mut copy => break ended?,
            }
        };
        while let Ok(progress) = told.try_recv() {
            self.tell(progress, &mut bytes);
        }
        self.tell_bytes(&mut bytes);
        Ok(ended)
    }

    /// Sums bytes up, since they come in thousands of pieces, and passes on all else.
    fn tell(&self, progress: Progress, bytes: &mut u64) {
        match progress {
            Progress::Bytes { bytes: more } => *bytes += more,
            progress => (self.listener)(&Event::Mirroring { name: self.name, progress: &progress }),
        }
    }

    fn tell_bytes(&self, bytes: &mut u64) {
        let sum = std::mem::take(bytes);
        if sum > 0 {
            let progress = Progress::Bytes { bytes: sum };
            (self.listener)(&Event::Mirroring { name: self.name, progress: &progress });
        }
    }
}
