//! A signal during an apply: the step under way ends, everything is taken back, and the next run completes.

use std::fs;

use crate::bench::Bench;
use crate::exit_codes::{last, many};

fn interrupted_by(signal: &str) {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let apply = ["apply", profile.to_str().unwrap()];
    let before = bench.tree();
    let still = bench.stand_still(&apply);
    assert_ne!(bench.tree(), before, "it is in the middle");
    still.signal(signal);
    let ran = still.resume();
    ran.expect(1).complains("interrupted before").complains("everything is taken back");
    assert_eq!(bench.tree(), before);
    bench.on_root(&["status"]).expect(0).says("has not changed this host");
    bench.on_root(&apply).expect(0).says("(150 steps)");
    bench.on_root(&apply).expect(0).says("Nothing to do");
}

#[test]
fn ctrl_c_takes_back_what_was_done() {
    interrupted_by("INT");
}

#[test]
fn an_end_of_the_session_takes_back_what_was_done() {
    interrupted_by("TERM");
}

#[test]
fn what_was_killed_is_taken_back_by_the_next_run() {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let apply = ["apply", profile.to_str().unwrap()];
    let before = bench.tree();
    let still = bench.stand_still(&apply);
    still.signal("KILL");
    still.resume();
    assert_ne!(bench.tree(), before, "nothing could be taken back");
    bench.on_root(&["status"]).says("A run was cut off");
    assert!(
        !bench.at("/var/lib/provision/generations/0001/report.json").exists(),
        "it could not even report"
    );
    bench
        .on_root(&apply)
        .expect(0)
        .complains("generation 1 does not count (the run was cut off)")
        .says("generation 2: many");
    let report = bench.report(1);
    let told = ["result", "profile", "reason"].map(|key| report[key].as_str().unwrap());
    assert_eq!(told, ["undone", "many", "the run was cut off"]);
    bench.on_root(&["destroy"]).expect(0);
    assert_eq!(bench.tree(), before);
}

#[test]
fn an_undo_that_is_cut_off_at_its_end_is_not_done_twice() {
    let bench = Bench::new();
    let first = last().replace("-149", "-000");
    fs::write(bench.at(&first), "from before\n").unwrap();
    let before = bench.tree();
    let profile = bench.profile("many", &many(&bench));
    let still = bench.stand_still(&["apply", profile.to_str().unwrap()]);
    still.signal("KILL");
    still.resume();
    let journal = bench.at("/var/lib/provision/journal.ndjson");
    let records = fs::read(&journal).unwrap();
    bench.on_root(&["destroy"]).expect(0).complains("was cut off");
    assert_eq!(bench.tree(), before);
    // As if that run had been killed just before it removed the journal.
    fs::write(&journal, records).unwrap();
    bench.on_root(&["destroy"]).expect(0).complains("was cut off");
    assert_eq!(bench.tree(), before);
}
