//! Signals during a change. SIGINT and SIGTERM: the step under way ends, then what was done is taken back. SIGHUP, which
//! is what a terminal or a connection leaves behind: the change goes on, nobody asked it to stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::out;

static LISTENING: AtomicBool = AtomicBool::new(false);
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);

/// What is said of an interrupt while a host is changed.
pub const TAKING_BACK: &str = "interrupted: the step under way ends, then everything is taken back";

/// Whether a signal asked us to stop.
pub fn interrupted() -> bool {
    count() > 0
}

/// How many signals asked us to stop.
pub fn count() -> usize {
    INTERRUPTS.load(Ordering::Relaxed)
}

/// Asks to stop as a signal does.
pub fn stop(words: &str) {
    INTERRUPTS.fetch_add(1, Ordering::Relaxed);
    out::note(words);
}

/// From now on the end of the connection that started this process does not end it.
pub fn outlive() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _guard = runtime.enter();
    // Once it is listened for, it does nothing by itself any more; that stays when nobody listens.
    signal(SignalKind::hangup()).map(drop)
}

/// From now on a signal asks to stop instead of killing the process; these words tell that it was heard.
pub fn listen(words: &'static str) -> std::io::Result<()> {
    if LISTENING.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {
                        out::note("the terminal is gone: the change goes on");
                        continue;
                    }
                }
                stop(words);
            }
        });
    });
    Ok(())
}
