//! Running a program: what it is given, what is kept from it, and how its end is told.

use std::time::{Duration, Instant};

use provision_host::{Error, Heard, Host, Line};

use crate::fake::Fake;

#[test]
fn a_child_gets_a_plain_environment_and_no_variable_of_ours() {
    let fake = Fake::new();
    fake.program("show", "env; pwd");
    // Cargo sets this one for tests; it stands for a secret in the environment.
    assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
    let host = fake.host();
    let output = host.program("show").env("GIVEN", "yes").run().unwrap().stdout;
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines.contains(&"LC_ALL=C") && lines.contains(&"GIVEN=yes"), "{output}");
    assert!(
        lines.contains(&format!("PATH={}:/usr/bin:/bin", fake.path("bin").display()).as_str()),
        "{output}"
    );
    assert!(!output.contains("CARGO_PKG_NAME"), "{output}");
    assert_eq!(lines.last(), Some(&"/"));
}

#[test]
fn standard_input_is_empty_unless_given_and_never_shown() {
    let fake = Fake::new();
    fake.program("read", "cat; exit \"$1\"");
    let host = fake.host();
    assert_eq!(host.program("read").arg("0").run().unwrap().stdout, "");
    let secret = vec![b'x'; 300_000];
    let output = host.program("read").arg("0").stdin(secret.clone()).run().unwrap();
    assert_eq!(output.stdout.as_bytes(), secret);
    let program = host.program("read").arg("3").stdin(&b"hunter2"[..]);
    assert!(!format!("{program:?}").contains("hunter2"));
    let error = program.run().unwrap_err();
    assert_eq!(error.to_string(), "`read 3`: exit status 3");
    // One that does not read its input has not failed for that.
    fake.program("deaf", "exec < /dev/null; sleep 0.2");
    assert_eq!(host.program("deaf").stdin(secret).run().unwrap().status, 0);
}

#[test]
fn full_pipes_block_nobody() {
    let fake = Fake::new();
    fake.program(
        "talk",
        "head -c 500000 /dev/zero >&2; head -c 500000 /dev/zero; printf '\\377' >&2; exit 4",
    );
    let output = fake.host().program("talk").output().unwrap();
    assert_eq!((output.status, output.stdout.len()), (4, 500_000));
    assert!(output.stderr.ends_with('\u{fffd}'));
}

#[test]
fn one_that_runs_too_long_is_killed_with_its_children() {
    let fake = Fake::new();
    fake.program("hang", "sleep 60 & echo $! > \"$FAKE/child\"; wait");
    let began = Instant::now();
    let error = fake.host().program("hang").timeout(Duration::from_secs(1)).run().unwrap_err();
    assert_eq!(error.to_string(), "`hang`: still running after 1 s, killed");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let child = std::fs::read_to_string(fake.path("child")).unwrap();
    let status = || std::fs::read_to_string(format!("/proc/{}/status", child.trim())).unwrap_or_default();
    let gone = || status().is_empty() || status().contains("State:\tZ");
    // It dies when it is its turn to run, which on a busy machine is a moment later.
    while !gone() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(gone(), "{}", status());
}

#[test]
fn a_child_left_behind_does_not_hold_us_up() {
    let fake = Fake::new();
    fake.program("leave", "sleep 20 & echo $! > \"$FAKE/child\"; echo done");
    let began = Instant::now();
    assert_eq!(fake.host().program("leave").run().unwrap().stdout, "done\n");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let child = std::fs::read_to_string(fake.path("child")).unwrap();
    std::process::Command::new("kill").arg(child.trim()).status().unwrap();
}

#[test]
fn the_end_is_told_in_words() {
    let fake = Fake::new();
    fake.program("die", "echo last words >&2; kill -s KILL $$");
    let error = fake.host().program("die").arg("it's me").run().unwrap_err().to_string();
    assert_eq!(error, "`die 'it'\\''s me'`: killed by signal 9 (SIGKILL)\nlast words");
    let error = fake.bare_host().program("none").run().unwrap_err();
    assert!(matches!(&error, Error::ProgramMissing { program, .. } if program == "none"), "{error}");
    // A file that cannot be run is no program.
    fake.file("bin/none", "echo");
    let error = fake.bare_host().program("none").run().unwrap_err();
    assert!(matches!(&error, Error::ProgramMissing { .. }), "{error}");
    // Those of the running system would change the running system.
    let other = Host::with_root(&fake.path("root")).unwrap();
    let error = other.program("systemctl").arg("stop").run().unwrap_err();
    assert!(matches!(&error, Error::NotLive { what, .. } if what == "systemctl stop"), "{error}");
    assert!(!other.has_program("sh") && !other.runs_programs());
}

#[test]
fn one_that_runs_is_spoken_with() {
    let fake = Fake::new();
    fake.program("answer", "while read -r word; do echo \"$word?\"; echo heard >&2; done; exit 3");
    let mut running = fake.host().program("answer").start().unwrap();
    let hear = |running: &mut provision_host::Running| loop {
        match running.hear(Duration::from_secs(10)).unwrap() {
            Heard::Line(Line::Err(_)) => {}
            heard => return heard,
        }
    };
    for word in ["one", "two"] {
        running.input().unwrap().send(format!("{word}\n"));
        assert_eq!(hear(&mut running), Heard::Line(Line::Out(format!("{word}?"))));
    }
    running.close();
    assert_eq!(hear(&mut running), Heard::End(3));
}

#[test]
fn one_that_ends_is_heard_though_a_child_holds_its_streams() {
    let fake = Fake::new();
    fake.program("leave", "sleep 60 & echo $!; exit 0");
    let mut running = fake.host().program("leave").start().unwrap();
    let begun = Instant::now();
    loop {
        match running.hear(Duration::from_millis(20)).unwrap() {
            Heard::End(status) => break assert_eq!(status, 0),
            Heard::Line(_) | Heard::Silence => assert!(begun.elapsed() < Duration::from_secs(30)),
        }
    }
}

#[test]
fn one_that_is_dropped_is_killed_with_its_children() {
    let fake = Fake::new();
    fake.program("hang", "sleep 60 & echo $!; wait");
    let mut running = fake.host().program("hang").start().unwrap();
    let Heard::Line(Line::Out(pid)) = running.hear(Duration::from_secs(10)).unwrap() else {
        panic!("no pid")
    };
    drop(running);
    let gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    let until = Instant::now() + Duration::from_secs(10);
    while !gone() {
        assert!(Instant::now() < until, "the child lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}
