//! Signals during a change. SIGINT and SIGTERM: the step under way ends, then what was done is taken back. SIGHUP, which
//! is what a terminal or a connection leaves behind: the change goes on, nobody asked it to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::out;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Whether a signal asked us to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// From now on a signal asks to stop instead of killing the process.
pub fn listen() -> std::io::Result<()> {
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
                INTERRUPTED.store(true, Ordering::Relaxed);
                out::note("interrupted: the step under way ends, then everything is taken back");
            }
        });
    });
    Ok(())
}
