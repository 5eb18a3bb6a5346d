//! How far a copy is: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use provision_mirror::Event;

use crate::out;
use crate::show;

/// A line this often where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of one copy.
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: bool,
    quiet: bool,
    state: Mutex<State>,
}

struct State {
    bytes: u64,
    total: u64,
    shown: Instant,
}

impl Progress {
    /// Quiet: nothing but data is wanted.
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let state = State { bytes: 0, total: 0, shown: Instant::now() };
        Self { bar, terminal, quiet, state: Mutex::new(state) }
    }

    /// Shows one event.
    pub(crate) fn tell(&self, event: &Event) {
        match event {
            Event::Planned { images, blobs, bytes } => {
                self.bar.set_length(*bytes);
                self.state.lock().unwrap_or_else(PoisonError::into_inner).total = *bytes;
                self.line(&format!("{images} images to copy, {blobs} blobs, {}", show::bytes(*bytes)));
            }
            Event::Bytes { bytes } => self.count(*bytes),
            Event::Copied { image, digest } => self.line(&format!("{digest} {image}")),
            Event::Present { .. } | Event::Blob { .. } => {}
        }
    }

    fn count(&self, bytes: u64) {
        self.bar.inc(bytes);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes += bytes;
        if !self.terminal && !self.quiet && state.shown.elapsed() > EVERY {
            state.shown = Instant::now();
            out::note(format!("{} of {}", show::bytes(state.bytes), show::bytes(state.total)));
        }
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| out::note(text));
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
