//! A root file system in a temporary directory, and the binary run on it. A failed expectation shows everything.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// What a Debian 12 says about itself.
const OS_RELEASE: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";

/// A temporary directory with a root file system in `root` and room for profiles beside it.
pub(crate) struct Bench {
    directory: TempDir,
}

/// What a run left behind.
pub(crate) struct Ran {
    command: String,
    directory: PathBuf,
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    /// A bench whose directory is made in another one.
    pub(crate) fn inside(place: &Path) -> Self {
        Self::on(tempfile::tempdir_in(place).unwrap())
    }

    fn on(directory: TempDir) -> Self {
        let bench = Self { directory };
        fs::create_dir_all(bench.root().join("etc")).unwrap();
        fs::create_dir_all(bench.root().join("var/lib")).unwrap();
        fs::write(bench.root().join("etc/os-release"), OS_RELEASE).unwrap();
        bench
    }

    /// The directory, without links in its path.
    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// A path of the host, as this process sees it.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Writes a profile, with what every profile has before it.
    pub(crate) fn profile(&self, name: &str, body: &str) -> PathBuf {
        self.write(&format!("{name}.toml"), format!("schema = 1\nname = \"{name}\"\n{body}"))
    }

    /// Writes a file beside the root.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The table of a profile that declares one file of whoever runs the test.
    pub(crate) fn file(&self, path: &str, content: &str) -> String {
        let meta = fs::metadata(self.root()).unwrap();
        let (owner, group) = (account(meta.uid()), account(meta.gid()));
        format!(
            "[[host.file]]\npath = {path:?}\ncontent = {content:?}\nowner = {owner:?}\ngroup = {group:?}\n"
        )
    }

    /// The binary with arguments, in the temporary directory, with an environment of its own.
    pub(crate) fn command<S: AsRef<str>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(arguments.iter().map(AsRef::as_ref)).current_dir(self.directory());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.directory().join("home"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Ran {
        self.finish(self.command(arguments))
    }

    /// The binary on the root file system.
    pub(crate) fn on_root(&self, arguments: &[&str]) -> Ran {
        self.finish(self.command_on_root(arguments))
    }

    pub(crate) fn command_on_root(&self, arguments: &[&str]) -> Command {
        let root = self.root();
        self.command(&[arguments, &["--root", root.to_str().unwrap()]].concat())
    }

    /// The binary with something on its standard input.
    pub(crate) fn fed(&self, arguments: &[&str], stdin: &str) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        self.ran(shown(&command), child)
    }

    pub(crate) fn finish(&self, mut command: Command) -> Ran {
        let child = command.spawn().unwrap();
        self.ran(shown(&command), child)
    }

    /// Starts an apply that stands still: its events fill the pipe that nobody reads until it is resumed.
    ///
    /// Give it a profile with many files. When this returns, some are written and the last ones are not begun.
    pub(crate) fn stand_still(&self, arguments: &[&str]) -> Still<'_> {
        let mut command = self.command_on_root(&[arguments, &["--events", "ndjson"]].concat());
        let mut child = command.spawn().unwrap();
        let mut waiting = Vec::new();
        // A pipe holds 64 KiB, a little less when lines do not fill its pages.
        while !matches!(waiting.as_slice(), [.., a, b, c] if *c > 48 * 1024 && a == b && b == c) {
            assert_eq!(child.try_wait().unwrap(), None, "it ended too early: {}", shown(&command));
            std::thread::sleep(Duration::from_millis(50));
            waiting.push(rustix::io::ioctl_fionread(child.stderr.as_ref().unwrap()).unwrap());
        }
        Still { bench: self, command: shown(&command), child }
    }

    pub(crate) fn ran(&self, command: String, child: Child) -> Ran {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Ran { command, directory: self.directory(), status: output.status, stdout, stderr }
    }

    /// A run that somebody else waited for, with all that it printed.
    pub(crate) fn told(&self, command: String, status: ExitStatus, told: String) -> Ran {
        Ran { command, directory: self.directory(), status, stdout: told, stderr: String::new() }
    }

    /// What a generation left behind.
    pub(crate) fn report(&self, generation: u64) -> serde_json::Value {
        let path = format!("/var/lib/provision/generations/{generation:04}/report.json");
        serde_json::from_slice(&fs::read(self.at(&path)).unwrap()).unwrap()
    }

    /// Everything on the host but provision's own records: kind and mode, and bytes.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut tree = BTreeMap::new();
        walk(&self.root(), &mut tree);
        tree.retain(|path, _| !path.starts_with(self.at("/var/lib/provision")));
        tree
    }
}

/// An apply that stands still.
pub(crate) struct Still<'a> {
    bench: &'a Bench,
    command: String,
    child: Child,
}

impl Still<'_> {
    /// Sends a signal by its name, to this process only.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Reads on until it ends.
    pub(crate) fn resume(self) -> Ran {
        self.bench.ran(self.command, self.child)
    }
}

impl Ran {
    /// Panics unless the exit code is this one.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32) -> &Self {
        assert!(self.status.code() == Some(code), "expected exit code {code}\n{}", self.told());
        self
    }

    /// The exit code; none when a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Panics unless standard output has these words.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> &Self {
        assert!(self.stdout.contains(words), "expected on stdout: {words}\n{}", self.told());
        self
    }

    /// Panics unless standard error has these words.
    #[track_caller]
    pub(crate) fn complains(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "expected on stderr: {words}\n{}", self.told());
        self
    }

    /// Panics unless none of both streams has these words.
    #[track_caller]
    pub(crate) fn never_shows(&self, words: &str) -> &Self {
        let shown = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(!shown, "not expected anywhere: {words}\n{}", self.told());
        self
    }

    /// Standard output as one JSON object.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.stdout) {
            Ok(serde_json::Value::Object(object)) => object.into(),
            other => panic!("expected one JSON object on stdout: {other:?}\n{}", self.told()),
        }
    }

    /// Standard error, with the temporary directory's name replaced.
    pub(crate) fn complaint(&self) -> String {
        self.stderr.replace(&*self.directory.to_string_lossy(), "[DIR]")
    }

    fn told(&self) -> String {
        let mut files = BTreeMap::new();
        walk(&self.directory, &mut files);
        let files: Vec<String> = files
            .iter()
            .map(|(path, (mode, bytes))| format!("  {mode:o} {:7} {}", bytes.len(), path.display()))
            .take(60)
            .collect();
        format!(
            "command: {}\nin: {}\nfiles:\n{}\nstatus: {}\nstdout:\n{}\nstderr:\n{}",
            self.command,
            self.directory.display(),
            files.join("\n"),
            self.status,
            self.stdout,
            self.stderr
        )
    }
}

fn shown(command: &Command) -> String {
    format!("{command:?}")
}

/// As an owner is observed: root by name, others by number, since the root file system has no passwd file.
fn account(id: u32) -> String {
    if id == 0 { "root".to_owned() } else { id.to_string() }
}

fn walk(directory: &Path, tree: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        tree.insert(path.clone(), (meta.permissions().mode(), bytes));
        if meta.is_dir() {
            walk(&path, tree);
        }
    }
}
