//! Killed at every change of a file that a verb makes, and at every change of taking it back: the host is as before or as
//! after, nothing between.

use std::fs;
use std::path::Path;

use crate::bastion::{Bastion, Manifest};
use crate::bench::Ran;
use crate::trace::Go;

const APPLY: &[&str] = &["apply", "/tmp/bastion.toml"];

const RECOVER: &[&str] = &["recover"];

/// A verb on a host, with what the host is before and after it.
pub(crate) struct Verb {
    pub(crate) host: Bastion,
    pub(crate) arguments: &'static [&'static str],
    before: Manifest,
    after: Manifest,
    /// The profile that is in force before it.
    in_force: serde_json::Value,
    /// What `destroy` leaves.
    delivered: Manifest,
    /// How many changes the verb makes.
    pub(crate) changes: usize,
}

impl Verb {
    fn new(arguments: &'static [&'static str], prepare: impl FnOnce(&Bastion)) -> Self {
        let host = Bastion::new();
        let delivered = host.manifest();
        prepare(&host);
        let before = host.manifest();
        let (after, changes) = done(&host, arguments);
        let in_force = in_force(&host);
        Self { host, arguments, before, after, in_force, delivered, changes }
    }

    /// The host, with the verb killed before a change; false when it ended before that.
    fn killed_before(&self, change: usize) -> (Bastion, bool) {
        let host = self.host.copy();
        host.boot();
        let cut_off = killed(&host, self.arguments, change);
        (host, cut_off)
    }

    /// The host is as before or as after, says which, and goes on from there.
    #[track_caller]
    pub(crate) fn holds(&self, host: &Bastion, moment: &str) {
        let recovered = recover(host);
        let is = host.manifest();
        let status = host.run(&["status", "--json"]).json();
        let told = || {
            format!("{moment}\n{}{}\n{}", recovered.stdout, recovered.stderr, host.run(&["status"]).stdout)
        };
        let committed = status["generation"]["profile"] != self.in_force;
        let expected = if committed { &self.after } else { &self.before };
        assert!(is == *expected, "{}\n{}", difference(&is, expected), told());
        assert_eq!(status["drift"], false, "{}", told());
        let left = host.unfinished();
        let ours = |path: &Path| path.starts_with(host.bench.at("/var/lib"));
        assert!(left.iter().all(|path| ours(path)), "{left:?}\n{}", told());
    }

    /// From wherever it is, an apply converges, and destroy leaves the host as it was delivered.
    #[track_caller]
    pub(crate) fn goes_on(&self, host: &Bastion, moment: &str) {
        let applied = host.run(APPLY);
        assert_eq!(applied.code(), Some(0), "{moment}: {}{}", applied.stdout, applied.stderr);
        host.run(APPLY).expect(0).says("Nothing to do");
        assert_eq!(host.unfinished(), Vec::<std::path::PathBuf>::new(), "{moment}");
        host.run(&["destroy"]).expect(0);
        let is = host.manifest();
        assert!(is == self.delivered, "{moment}\n{}", difference(&is, &self.delivered));
    }
}

/// A verb on a copy of a host, as it is done when nothing happens: what the host is then, and how many changes it took.
fn done(host: &Bastion, arguments: &[&str]) -> (Manifest, usize) {
    let host = host.copy();
    host.boot();
    let mut changes = 0;
    let mut count = |_: &_| {
        changes += 1;
        Go::On
    };
    let ran = host.traced(arguments, &mut count, &mut |_| {});
    ran.expect(0);
    (host.manifest(), changes)
}

/// Runs a verb and kills it before a change; false when it ended before that.
fn killed(host: &Bastion, arguments: &[&str], change: usize) -> bool {
    let mut count = 0;
    let mut before = |_: &_| {
        count += 1;
        if count > change { Go::Kill } else { Go::On }
    };
    host.traced(arguments, &mut before, &mut |_| {});
    count > change
}

/// The profile of the generation in force.
fn in_force(host: &Bastion) -> serde_json::Value {
    host.run(&["status", "--json"]).json()["generation"]["profile"].clone()
}

/// What every command that changes the host does first.
fn recover(host: &Bastion) -> Ran {
    host.run(RECOVER)
}

/// What differs, for people.
fn difference(is: &Manifest, expected: &Manifest) -> String {
    let paths = is.keys().chain(expected.keys()).collect::<std::collections::BTreeSet<_>>();
    let differing = paths.into_iter().filter(|path| is.get(*path) != expected.get(*path));
    differing
        .map(|path| {
            format!("{}\n  is       {:?}\n  expected {:?}", path.display(), is.get(path), expected.get(path))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first of a sample of changes: the same in each run, so that a green suite stays green; `just soak` takes them all.
pub(crate) fn anywhere(step: usize) -> usize {
    step / 2
}

pub(crate) fn first_apply() -> Verb {
    Verb::new(APPLY, |_| {})
}

pub(crate) fn destroy() -> Verb {
    Verb::new(&["destroy"], |host| {
        host.run(APPLY).expect(0);
    })
}

pub(crate) fn rollback() -> Verb {
    Verb::new(&["rollback"], |host| {
        host.run(APPLY).expect(0);
        // Another password would be another secret; the rest of the registry is to change.
        let profile = fs::read_to_string(host.bench.at("/tmp/bastion.toml")).unwrap();
        let other = profile
            .replace("of the disconnected site", "of another site")
            .replace("/etc/new/", "/etc/newer/");
        host.put("/tmp/other.toml", other.replace("name = \"bastion\"", "name = \"other\""), 0o644);
        host.run(&["apply", "/tmp/other.toml"]).expect(0);
    })
}

/// Taking back an apply that was killed at a part of its way, in percent.
fn recovery(percent: usize) -> Verb {
    let apply = first_apply();
    let (host, cut_off) = apply.killed_before(apply.changes * percent / 100);
    assert!(cut_off);
    let (after, changes) = done(&host, RECOVER);
    assert!(after == apply.before, "{}", difference(&after, &apply.before));
    Verb { host, arguments: RECOVER, before: after, changes, ..apply }
}

/// Kills a verb before every `step`th change, in two threads, each with a host of its own.
pub(crate) fn every(step: usize, verb: fn() -> Verb, check: fn(&Verb, usize)) {
    let first = anywhere(step);
    let work = |thread: usize| {
        let verb = verb();
        (first + thread * step..=verb.changes).step_by(2 * step).for_each(|change| check(&verb, change));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(0));
        scope.spawn(|| work(1));
    });
}

fn killed_once(verb: &Verb, change: usize) {
    let (host, _) = verb.killed_before(change);
    let moment = format!("{:?} killed before change {change} of {}", verb.arguments, verb.changes);
    verb.holds(&host, &moment);
    verb.goes_on(&host, &moment);
}

#[test]
fn an_apply_that_is_killed_anywhere_is_whole_or_not_at_all() {
    every(90, first_apply, killed_once);
}

#[test]
fn a_destroy_that_is_killed_anywhere_is_whole_or_not_at_all() {
    every(90, destroy, killed_once);
}

#[test]
fn a_rollback_that_is_killed_anywhere_is_whole_or_not_at_all() {
    every(60, rollback, killed_once);
}

#[test]
fn an_undo_that_is_killed_anywhere_is_done_by_the_next_run() {
    every(60, || recovery(90), killed_once);
}

#[test]
#[ignore = "an hour: just soak"]
fn soak_kills_before_every_change() {
    for verb in [first_apply, destroy, rollback] {
        every(1, verb, killed_once);
    }
    for verb in [|| recovery(50), || recovery(75), || recovery(90), || recovery(99)] {
        every(1, verb, killed_once);
    }
}
