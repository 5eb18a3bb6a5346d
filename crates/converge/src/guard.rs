//! What takes an apply back when nobody is left to do it: a unit for the next boot, and a timer where it has to be
//! confirmed; there from before the first step until the journal is gone. They are provision's own scaffolding and no
//! resources of the host; without systemd there are none.
//!
//! Unit files are read when the host boots, so nothing is told to systemd while it runs. The unit runs a copy of the
//! binary that began the apply: the one that was typed may lie below `/tmp`, or be another version by then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use provision_host::{Host, Meta, NodeKind, selinux, systemd};

use crate::error::Result;
use crate::vault::make_directories;

/// Runs early at a boot, before anything reads what an apply left half-done.
const UNIT: &str = "provision-recover.service";
/// Runs when that could not finish: what takes the network, such as installing packages.
const LATER: &str = "provision-recover-later.service";
const UNITS: &str = "/etc/systemd/system";
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";

/// The boot unit and the timer of one state directory.
pub(crate) struct Guard<'a> {
    host: &'a Host,
    directory: PathBuf,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(host: &'a Host, directory: &Path) -> Self {
        Self { host, directory: directory.to_path_buf() }
    }

    /// Where on the host it is made.
    pub(crate) fn places() -> [&'static Path; 2] {
        [UNITS, WANTS].map(Path::new)
    }

    /// Whether there is a systemd that would run it.
    pub(crate) fn is_possible(&self) -> Result<bool> {
        Ok(systemd::runs(self.host)?)
    }

    /// The directories that have to be made for it, parents first; they go with it.
    pub(crate) fn missing(&self) -> Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        for place in Self::places() {
            if self.host.root.node(place)?.is_none() {
                missing.push(place.to_path_buf());
            }
        }
        Ok(missing)
    }

    /// Puts the unit in place; the link that makes a boot run it comes last.
    pub(crate) fn arm(&self, binary: &Path, missing: &[PathBuf]) -> Result<()> {
        let root = &self.host.root;
        let program = self.program();
        if let Some(place) = program.parent() {
            make_directories(root, place)?;
        }
        let xattrs = selinux::program_label(self.host)?;
        root.copy(binary, &program, &Meta { xattrs, ..Meta::own(0o700) })?;
        missing.iter().try_for_each(|place| root.make_dir(place, &Meta::own(0o755)))?;
        for (name, text) in [(LATER, self.later()), (UNIT, self.unit())] {
            root.write(&Path::new(UNITS).join(name), text.as_bytes(), &Meta::own(0o644))?;
        }
        let target = Path::new(UNITS).join(UNIT);
        Ok(root.symlink(&Path::new(WANTS).join(UNIT), &target.to_string_lossy(), &Meta::own(0o777))?)
    }

    /// Lets a timer look after an apply that has to be confirmed, should its own process be gone when the time is over:
    /// the timer outlives the session that began it, and what it runs waits for whoever holds the lock.
    pub(crate) fn watch(&self, number: u64, patience: Duration) -> Result<()> {
        let program = self.program();
        let command = [&program.to_string_lossy(), "recover", "--when-due"];
        Ok(systemd::run_later(self.host, &watch(number), patience, &command)?)
    }

    /// Stops the timer of an apply that is decided. What it runs already ends by itself.
    pub(crate) fn rest(&self, number: u64) -> Result<()> {
        let timer = format!("{}.timer", watch(number));
        if self.is_possible()? && systemd::status(self.host, &timer)?.exists() {
            systemd::stop(self.host, &timer)?;
        }
        Ok(())
    }

    /// Takes away all of it, however much is there, with the directories that were made for it.
    pub(crate) fn disarm(&self, made: &[PathBuf]) -> Result<()> {
        let root = &self.host.root;
        root.remove(&Path::new(WANTS).join(UNIT))?;
        for name in [UNIT, LATER] {
            root.remove(&Path::new(UNITS).join(name))?;
        }
        for place in made.iter().rev() {
            match root.remove(place) {
                // Somebody has put a link of their own there meanwhile.
                Ok(_) | Err(provision_host::Error::NotEmpty { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(place) = self.program().parent()
            && let Some(NodeKind::Directory) = root.node(place)?.map(|node| node.kind)
        {
            root.remove_tree(place)?;
        }
        // Where systemd has read its files again meanwhile, it would go on listing the unit.
        if self.is_possible()? && systemd::status(self.host, UNIT)?.exists() {
            systemd::daemon_reload(self.host)?;
        }
        Ok(())
    }

    /// The copy of the binary that began the apply.
    pub(crate) fn program(&self) -> PathBuf {
        self.directory.join("recover/provision")
    }

    /// Early and before the network, the firewall and every ordinary service, so that none of them starts with what is
    /// taken back. What it starts itself waits for it, so that it waits for nothing (`--at-boot`).
    fn unit(&self) -> String {
        format!(
            "\
# Made by provision for the time of one apply.
[Unit]
Description=Take back an apply of provision that was cut off
ConditionPathExists={journal}
DefaultDependencies=no
Conflicts=shutdown.target
After=local-fs.target
Before=sysinit.target network-pre.target nftables.service systemd-networkd.service shutdown.target
OnFailure={LATER}

[Service]
Type=oneshot
ExecStart={program} recover --at-boot
SuccessExitStatus=7
TimeoutStartSec=15min

[Install]
WantedBy=multi-user.target
",
            journal = self.directory.join("journal.ndjson").display(),
            program = self.program().display(),
        )
    }

    fn later(&self) -> String {
        format!(
            "\
# Made by provision for the time of one apply.
[Unit]
Description=Take back an apply of provision that was cut off, with the network
ConditionPathExists={journal}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={program} recover
SuccessExitStatus=7
TimeoutStartSec=1h
",
            journal = self.directory.join("journal.ndjson").display(),
            program = self.program().display(),
        )
    }
}

/// The timer of one apply: each has its own, because what an earlier one runs may not have ended yet.
fn watch(number: u64) -> String {
    format!("provision-confirm-{number}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use super::*;

    /// A root with these directories and a binary, and everything in it: path → bytes, or where a link leads.
    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new(directories: &[&str]) -> Self {
            let bench = Self(tempfile::tempdir().unwrap());
            for directory in ["usr/bin", "etc", "var/lib/provision"].iter().chain(directories) {
                std::fs::create_dir_all(bench.0.path().join(directory)).unwrap();
            }
            std::fs::write(bench.0.path().join("usr/bin/provision"), "the binary").unwrap();
            bench
        }

        fn with<T>(&self, done: impl FnOnce(&Guard<'_>) -> T) -> T {
            let host = Host::with_root(self.0.path()).unwrap();
            done(&Guard::new(&host, Path::new("/var/lib/provision")))
        }

        fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
            fn walk(folder: &Path, tree: &mut BTreeMap<PathBuf, Vec<u8>>) {
                for entry in std::fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_symlink() {
                        let target = path.read_link().unwrap().into_os_string().into_encoded_bytes();
                        tree.insert(path, target);
                    } else if path.is_dir() {
                        tree.insert(path.clone(), Vec::new());
                        walk(&path, tree);
                    } else {
                        tree.insert(path.clone(), std::fs::read(&path).unwrap());
                    }
                }
            }
            let mut tree = BTreeMap::new();
            walk(self.0.path(), &mut tree);
            tree
        }
    }

    const BINARY: &str = "/usr/bin/provision";
    const THERE: [&[&str]; 3] =
        [&[], &["etc/systemd/system"], &["etc/systemd/system/multi-user.target.wants"]];

    #[test]
    fn the_boot_unit_leaves_no_trace() {
        for directories in THERE {
            let bench = Bench::new(&[&["etc/systemd"], directories].concat());
            let before = bench.tree();
            bench.with(|guard| {
                let missing = guard.missing().unwrap();
                guard.arm(Path::new(BINARY), &missing).unwrap();
                let armed = bench.tree();
                let at = |path: &str| armed.get(&bench.0.path().join(path)).cloned();
                assert_eq!(at("var/lib/provision/recover/provision"), at("usr/bin/provision"));
                let link = at("etc/systemd/system/multi-user.target.wants/provision-recover.service");
                assert_eq!(link.as_deref(), Some(&b"/etc/systemd/system/provision-recover.service"[..]));
                // Once more, as after a run that was cut off in the middle of it.
                guard.arm(Path::new(BINARY), &missing).unwrap();
                assert_eq!(bench.tree(), armed);
                guard.disarm(&missing).unwrap();
                assert_eq!(bench.tree(), before);
                guard.disarm(&missing).unwrap();
            });
            assert_eq!(bench.tree(), before);
        }
    }

    #[test]
    fn what_somebody_else_enabled_meanwhile_stays() {
        let bench = Bench::new(&["etc/systemd/system"]);
        bench.with(|guard| {
            let missing = guard.missing().unwrap();
            assert_eq!(missing, [Path::new(WANTS)]);
            guard.arm(Path::new(BINARY), &missing).unwrap();
            let theirs = bench.0.path().join(&WANTS[1..]).join("theirs.service");
            std::os::unix::fs::symlink("/dev/null", &theirs).unwrap();
            guard.disarm(&missing).unwrap();
            assert!(theirs.is_symlink());
        });
    }

    #[test]
    fn systemd_takes_the_units() {
        let bench = Bench::new(&["etc/systemd"]);
        bench.with(|guard| guard.arm(Path::new(BINARY), &guard.missing().unwrap()).unwrap());
        let units = [UNIT, LATER].map(|name| bench.0.path().join(&UNITS[1..]).join(name));
        // The binary that they run lies below this root, so that only what systemd says of it may be wrong.
        let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output();
        let said = String::from_utf8(verified.expect("systemd-analyze is needed").stderr).unwrap();
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("provision-recover")).collect();
        let missing = |line: &&&str| !line.contains("/var/lib/provision/recover/provision");
        assert_eq!(ours.iter().filter(missing).collect::<Vec<_>>(), Vec::<&&str>::new(), "{said}");
    }
}
