//! What goes wrong on a host while a whole bastion is applied, and what was there before it: each ends in a state that the
//! next run completes or undoes, with words that say so.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::bastion::Bastion;

const APPLY: &[&str] = &["apply", "/tmp/bastion.toml"];

/// A package manager that fails once it has brought only what others depend on.
fn half(apt: &str, says: &str) -> String {
    apt.replace("[ \"$name\" = podman ] && put conmon", &format!("put conmon; {says}; exit 100"))
}

/// An apply that fails, and is taken back; then what was wrong is put right, and the same apply works.
fn taken_back(host: &Bastion, words: &[&str], put_right: impl FnOnce(&Bastion)) {
    let before = host.manifest();
    let ran = host.run(APPLY);
    ran.expect(1).complains("hint: everything is taken back");
    for words in words {
        ran.complains(words);
    }
    put_right(host);
    let after = host.manifest();
    let left: Vec<_> = after.iter().filter(|(path, seen)| before.get(*path) != Some(*seen)).collect();
    assert!(left.iter().all(|(path, _)| path.starts_with("opt") || path.starts_with("usr/bin")), "{left:?}");
    host.run(&["status"]).expect(0).says("has not changed this host");
    host.run(APPLY).expect(0).says("generation 2: bastion");
    host.run(&["status"]).expect(0).says("No drift");
}

#[test]
fn a_unit_that_does_not_start_is_taken_back_with_its_log() {
    let host = Bastion::new();
    host.put("/opt/fails", "", 0o644);
    let words = ["registry.service does not start", "crun: cannot allocate memory"];
    taken_back(&host, &words, |host| fs::remove_file(host.bench.at("/opt/fails")).unwrap());
}

#[test]
fn a_package_manager_that_fails_half_way_leaves_nothing_behind() {
    let host = Bastion::new();
    let whole = fs::read_to_string(host.bench.at("/usr/bin/apt-get")).unwrap();
    // It brings what comes along with podman, and then its disk is full.
    host.put("/usr/bin/apt-get", half(&whole, "echo 'E: You do not have enough free space' >&2"), 0o755);
    let put_right = |host: &Bastion| host.put("/usr/bin/apt-get", &whole, 0o755);
    taken_back(&host, &["apt-get", "exit status 100", "enough free space"], put_right);
}

#[test]
fn what_a_failed_package_manager_left_is_taken_back_once_it_works_again() {
    let host = Bastion::new();
    let before = host.manifest();
    let whole = fs::read_to_string(host.bench.at("/usr/bin/apt-get")).unwrap();
    let broken = half(&whole, ":").replace("    purge)\n", "    purge)\n        exit 100\n");
    host.put("/usr/bin/apt-get", broken, 0o755);
    let ran = host.run(APPLY);
    ran.expect(5).complains("taking it back failed as well").complains("hint: run the same command again");
    host.run(&["status"]).expect(2).says("was cut off");
    host.put("/usr/bin/apt-get", whole, 0o755);
    host.run(&["recover"]).expect(0).complains("was cut off");
    assert!(host.manifest() == before);
}

#[test]
fn a_read_only_etc_changes_nothing_and_says_what_to_do() {
    let host = Bastion::new();
    let before = host.manifest();
    let read_only = "mount --bind \"$1/etc\" \"$1/etc\" && mount -o remount,ro,bind \"$1/etc\"";
    let ran = host.run_within(read_only, APPLY);
    ran.expect(1).complains("Read-only file system").complains("hint: it is mounted read-only");
    assert!(host.manifest() == before);
    host.run(APPLY).expect(0);
}

/// A small file system under provision's own records: wherever it becomes full, what was done is taken back, if need be
/// once there is room again.
#[test]
fn a_disk_that_is_full_at_any_moment_loses_nothing() {
    let host = Bastion::new();
    // Where systemd runs, a copy of the binary alone would fill it.
    fs::remove_dir_all(host.bench.at("/run/systemd")).unwrap();
    let before = host.manifest();
    let (mut failed, mut half_done) = (0, 0);
    for kilobytes in (60..400).step_by(12) {
        let full = format!("mount -t tmpfs -o size={kilobytes}k records \"$1/var/lib/provision\"");
        fs::create_dir_all(host.bench.at("/var/lib/provision")).unwrap();
        let ran = host.run_all_within(
            &full,
            &[APPLY, &["recover"]],
            "mount -o remount,size=64m records \"$root/var/lib/provision\"",
        );
        let codes: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("exit ")).collect();
        match codes.as_slice() {
            ["0", "0"] => break,
            [code @ ("1" | "5"), "0"] => {
                ran.complains("No space left on device").complains("hint: make room on that file system");
                failed += 1;
                half_done += usize::from(*code == "5");
            }
            other => panic!("{kilobytes} KiB: {other:?}\n{}\n{}", ran.stdout, ran.stderr),
        }
        assert!(host.manifest() == before, "{kilobytes} KiB\n{}", ran.stderr);
    }
    assert!(failed > 3 && half_done > 0, "{failed} failed, {half_done} of them half-done");
}

#[test]
fn a_unit_that_was_masked_is_masked_again_after_destroy() {
    let host = Bastion::new();
    symlink("/dev/null", host.bench.at("/etc/systemd/system/registry.service")).unwrap();
    let before = host.manifest();
    host.run(APPLY).expect(0);
    host.run(APPLY).expect(0).says("Nothing to do");
    host.run(&["destroy"]).expect(0);
    assert!(host.manifest() == before);
}

/// What was there is there again, whatever it was: bytes, mode, owner, attributes, links, and directories that were empty.
#[test]
fn what_was_there_before_comes_back_by_destroy() {
    let host = Bastion::new();
    let at = |path: &str| host.bench.at(path);
    host.put("/etc/hostname", "# by the installer\n\n bare", 0o600);
    host.put("/root/hosts", "127.0.0.1 localhost\n", 0o640);
    fs::remove_file(at("/etc/hosts")).unwrap();
    symlink("../root/hosts", at("/etc/hosts")).unwrap();
    fs::create_dir_all(at("/etc/new/folder")).unwrap();
    fs::create_dir_all(at("/etc/cni/net.d")).unwrap();
    symlink("/nowhere", at("/etc/new/folder/file")).unwrap();
    fs::create_dir_all(at("/var/lib/registry")).unwrap();
    Command::new("chmod").arg("2775").arg(at("/var/lib/registry")).status().unwrap();
    let labelled = ["/etc/new/folder", "/var/lib/registry", "/etc/hostname"].map(at);
    for path in &labelled {
        // As an administrator's own attribute, or the label that SELinux keeps; only root may set the latter.
        rustix::fs::setxattr(path, "user.note", b"ours", rustix::fs::XattrFlags::empty()).ok();
        rustix::fs::setxattr(path, "security.selinux", b"u:r:t:s0\0", rustix::fs::XattrFlags::empty()).ok();
    }
    let label = |path: &Path| {
        let mut value = [0; 32];
        rustix::fs::lgetxattr(path, "security.selinux", &mut value)
            .map(|length| value[..length].to_vec())
            .ok()
    };
    let labels = || labelled.iter().map(|path| label(path)).collect::<Vec<_>>();
    let (before, labels_before) = (host.manifest(), labels());
    host.run(APPLY).expect(0);
    assert!(host.manifest() != before);
    host.run(&["destroy"]).expect(0);
    assert_eq!(host.manifest(), before);
    assert_eq!(labels(), labels_before);
}
