//! A signal during an apply: the step under way ends, everything is taken back, and the next run completes.

use std::fs;
use std::time::Duration;

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

#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let mut cut_off = 0;
    for moment in 0..60_u64 {
        if moment >= 10 && cut_off > 0 {
            break; // A slow machine takes longer until there is something to cut off.
        }
        let bench = Bench::new();
        fs::write(bench.at("/etc/hosts"), "127.0.0.1 localhost\n").unwrap();
        fs::write(bench.at("/etc/adopted-03"), "from before\n").unwrap();
        let before = bench.tree();
        let files: String =
            (0..6).map(|number| bench.file(&format!("/etc/adopted-{number:02}"), "ours\n")).collect();
        let addresses = "[host]\naddresses = { \"registry.example.test\" = [\"127.0.0.1\"] }\n";
        let profile = bench.profile("kill", &format!("{addresses}{files}"));
        // Each run is killed a little later than the one before: while it plans, changes, commits, takes back.
        for (arguments, delay) in
            [(&["apply", profile.to_str().unwrap()][..], 10 * moment), (&["destroy"], 5 * moment)]
        {
            let mut child = bench.command_on_root(arguments).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            child.wait().unwrap();
            released(&bench);
            cut_off += usize::from(bench.at("/var/lib/provision/journal.ndjson").exists());
        }
        bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
        bench.on_root(&["status"]).expect(0).says("No drift");
        bench.on_root(&["destroy"]).expect(0);
        assert_eq!(bench.tree(), before, "killed after {moment} times 10 and 5 ms");
    }
    assert!(cut_off > 0, "no kill came while a run was under way: the delays are wrong for this machine");
}

/// Waits until the lock of a process that was killed is free: a child that has not yet become its program holds it too.
fn released(bench: &Bench) {
    let Ok(lock) = fs::File::open(bench.at("/var/lib/provision/lock")) else { return };
    let tries =
        (0..500).map(|_| lock.try_lock().inspect_err(|_| std::thread::sleep(Duration::from_millis(10))));
    assert!(tries.into_iter().any(|tried| tried.is_ok()), "the lock of a dead process is still held");
}
