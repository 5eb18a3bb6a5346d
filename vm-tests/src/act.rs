//! A story in acts: each shows its commands as they run, proves something, and ends up in a table.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::machine::{Machine, Ran};

/// What one act proved.
#[derive(Debug, Clone)]
pub struct Proved {
    /// What was proved, or how it failed.
    pub what: String,
    /// How long it took.
    pub took: Duration,
    /// Whether it is true.
    pub ok: bool,
}

/// A guest on a stage: everything that is done to it is seen.
pub struct Stage {
    /// The guest.
    pub machine: Machine,
    /// What was proved so far.
    pub proved: Vec<Proved>,
    begun: Instant,
    prompt: String,
    story: Option<File>,
}

impl Stage {
    /// A stage for a guest.
    pub fn new(machine: Machine) -> Self {
        let prompt = format!("{}#", machine.suite.name());
        let story = File::create(machine.evidence.join("story.log")).ok();
        Self { machine, proved: Vec::new(), begun: Instant::now(), prompt, story }
    }

    /// One act; its result says what was proved. After a failure the story ends.
    pub fn act(&mut self, title: &str, play: impl FnOnce(&mut Self) -> Result<String>) -> Result<()> {
        let begun = Instant::now();
        say(
            &mut self.story,
            &format!("\n{} {}\n", bold(&format!("{}.", self.proved.len() + 1)), bold(title)),
        );
        let played = play(self);
        let (ok, what) = match &played {
            Ok(what) => (true, what.clone()),
            Err(_) => (false, format!("{title}: failed")),
        };
        self.proved.push(Proved { what, took: begun.elapsed(), ok });
        if let Err(error) = played {
            self.machine.fail();
            say(&mut self.story, &format!("FAILED: {error:#}\n"));
            return Err(error);
        }
        Ok(())
    }

    /// Runs a command in the guest, shows it and what it says, and expects an exit status.
    pub fn run(&mut self, command: &str, status: i64) -> Result<String> {
        let ran = self.show(command)?;
        if ran.status != status {
            bail!("{command}: exit status {}, expected {status}", ran.status);
        }
        Ok(ran.output)
    }

    /// Runs a command in the guest, and shows it and what it says.
    pub fn show(&mut self, command: &str) -> Result<Ran> {
        say(&mut self.story, &format!("{} {}\n", faint(&self.prompt), command));
        let mut at_start = true;
        self.machine.watch(command, &mut |text| {
            for piece in text.split_inclusive('\n') {
                say(&mut self.story, &format!("{}{piece}", if at_start { "  " } else { "" }));
                at_start = piece.ends_with('\n');
            }
        })
    }

    /// The table of what was proved; whether all of it is true.
    pub fn table(&mut self) -> bool {
        say(&mut self.story, &format!("\n{}\n", bold("What was proved")));
        for proved in &self.proved {
            let mark = if proved.ok { "ok    " } else { "FAILED" };
            say(
                &mut self.story,
                &format!("  {mark} {:>6.1} s  {}\n", proved.took.as_secs_f64(), proved.what),
            );
        }
        let failed = self.proved.iter().filter(|proved| !proved.ok).count();
        let total = self.begun.elapsed().as_secs_f64();
        say(
            &mut self.story,
            &format!("  {} proved, {failed} failed, {total:.0} s\n", self.proved.len() - failed),
        );
        failed == 0
    }
}

/// Everything of a story goes to standard output, which is what a failing test shows, and to the evidence, where it can
/// be read while the story is under way.
#[expect(clippy::print_stdout, reason = "people watch this")]
fn say(story: &mut Option<File>, text: &str) {
    print!("{text}");
    // A reader who has gone away wants no more.
    let _ = std::io::stdout().flush();
    if let Some(story) = story {
        let _ = story.write_all(text.as_bytes());
    }
}

fn bold(text: &str) -> String {
    styled("1", text)
}

fn faint(text: &str) -> String {
    styled("2", text)
}

fn styled(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
