//! `just bench-plan`: what plans and applies of 100, 1,000 and 10,000 files cost, how that grows, how long the first
//! event takes, and what `ansible-playbook` takes for the same files. Prints a table; judges nothing.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "people read the table")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use integration::program;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::json;

const HELP: &str = "\
Measures plans and applies of many files on a temporary root, and a peer beside them.

Usage: just bench-plan [OPTIONS]

Options:
  --binary FILE   the provision to measure, instead of a release build
  -h, --help      print this";

/// How many files.
const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// How many files the peer is given: more would take it hours.
const PEER_SIZE: usize = 100;
/// The median of so many runs counts.
const RUNS: usize = 5;
/// How this program is told to run another one and say what it cost.
const MEASURE: &str = "--measure";

/// What one run of a program cost.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    /// User and system time, that of its children included.
    cpu: Duration,
    /// Peak of its resident memory in KiB.
    peak: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => program::released().and_then(|binary| bench(&binary)),
        ["--binary", file] => fs::canonicalize(file).map_err(Into::into).and_then(|file| bench(&file)),
        ["-h" | "--help"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [MEASURE, program, arguments @ ..] => tell_cost(program, arguments),
        _ => {
            eprintln!("error: these arguments make no sense\n\n{HELP}");
            return ExitCode::from(64);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(binary: &Path) -> Result<()> {
    println!("{:>7}  {:<18} {:>10} {:>10} {:>11}", "files", "what", "wall", "CPU", "peak RSS");
    let mut plans = Vec::new();
    let mut last = None;
    let mut peer = None;
    for size in SIZES {
        let host = Host::new(binary, size)?;
        row(size, "first apply", cost(&host.command("apply"), 0)?);
        let plan = median(&host.command("plan"))?;
        row(size, "no-change plan", plan);
        let apply = median(&host.command("apply"))?;
        row(size, "no-change apply", apply);
        plans.push((size, plan));
        if size == PEER_SIZE {
            peer = Some(apply);
        }
        last = Some(host);
    }
    println!();
    for pair in plans.windows(2) {
        if let [(few, small), (many, large)] = pair {
            growth((*few, *small), (*many, *large));
        }
    }
    if let Some(host) = last {
        println!("first event of an apply of {} files: {}", host.size, milliseconds(host.first_event()?));
    }
    match peer {
        Some(ours) => beside_a_peer(ours),
        None => Ok(()),
    }
}

fn row(size: usize, what: &str, cost: Cost) {
    let (wall, cpu) = (milliseconds(cost.wall), milliseconds(cost.cpu));
    println!("{size:>7}  {what:<18} {wall:>10} {cpu:>10} {:>7.1} MiB", cost.peak as f64 / 1024.0);
}

/// Linear growth: each further file costs the same, whatever the fixed part is.
fn growth((few, small): (usize, Cost), (many, large): (usize, Cost)) {
    let each = large.cpu.saturating_sub(small.cpu).as_secs_f64() * 1e6 / (many - few) as f64;
    let memory = large.peak.saturating_sub(small.peak) as f64 / (many - few) as f64;
    println!(
        "plan, {few} to {many} files: {:.1} times the CPU time; each further file {each:.0} µs and {memory:.1} KiB",
        large.cpu.as_secs_f64() / small.cpu.as_secs_f64().max(1e-6),
    );
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

/// A root file system in a temporary directory, and a profile of many files for it.
struct Host<'a> {
    binary: &'a Path,
    size: usize,
    directory: tempfile::TempDir,
}

impl<'a> Host<'a> {
    fn new(binary: &'a Path, size: usize) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("provision-bench-").tempdir()?;
        let owner = fs::metadata(directory.path())?;
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("etc"))?;
        fs::create_dir_all(root.join("var/lib"))?;
        fs::write(root.join("etc/os-release"), "ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian 13\"\n")?;
        // Whoever runs this owns the files, under a name that the root knows; only root need not be named.
        let name = if owner.uid() == 0 { "root" } else { "bench" };
        fs::write(root.join("etc/passwd"), format!("{name}:x:{}:{}::/:/bin/sh\n", owner.uid(), owner.gid()))?;
        fs::write(root.join("etc/group"), format!("{name}:x:{}:\n", owner.gid()))?;
        let named = if name == "root" { "" } else { "owner = \"bench\"\ngroup = \"bench\"\n" };
        let mut profile = "schema = 1\nname = \"bench\"\n".to_owned();
        for file in files(size) {
            fs::create_dir_all(root.join(&file).parent().unwrap_or(&root))?;
            let content = content(&file);
            write!(profile, "[[host.file]]\npath = \"/{file}\"\ncontent = {content:?}\n{named}")?;
        }
        fs::write(directory.path().join("profile.toml"), profile)?;
        Ok(Self { binary, size, directory })
    }

    fn command(&self, verb: &str) -> Vec<String> {
        let (profile, root) =
            (self.directory.path().join("profile.toml"), self.directory.path().join("root"));
        let path = |path: &Path| path.display().to_string();
        vec![path(self.binary), verb.to_owned(), path(&profile), "--root".to_owned(), path(&root)]
    }

    /// How long it takes from the start of an apply to its first event: the median.
    fn first_event(&self) -> Result<Duration> {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let words = [self.command("apply"), vec!["--events".into(), "ndjson".into()]].concat();
            let begun = Instant::now();
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn()?;
            let mut line = String::new();
            let mut events = BufReader::new(child.stderr.take().context("its standard error")?);
            events.read_line(&mut line)?;
            times.push(begun.elapsed());
            std::io::copy(&mut events, &mut std::io::sink())?;
            ensure!(child.wait()?.success() && line.starts_with('{'), "no event came: {line}");
        }
        times.sort_unstable();
        Ok(times[RUNS / 2])
    }
}

/// Paths of files below a root, a hundred to a directory.
fn files(size: usize) -> impl Iterator<Item = String> {
    (0..size).map(|number| format!("srv/files/{:03}/{number:05}.conf", number / 100))
}

fn content(file: &str) -> String {
    format!("# {file}: written once, looked at ever after\n")
}

/// The middle one of several runs.
fn median(words: &[String]) -> Result<Cost> {
    let mut costs = (0..RUNS).map(|_| cost(words, 0)).collect::<Result<Vec<_>>>()?;
    costs.sort_unstable_by_key(|cost| cost.wall);
    Ok(costs[RUNS / 2])
}

/// What a run of a program costs, told by a process of its own: a process knows only the peak of all its children.
fn cost(words: &[String], code: i32) -> Result<Cost> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(MEASURE).args(words).env("HOME", "/nonexistent").env("ANSIBLE_LOCALHOST_WARNING", "false");
    let told = program::run(&mut command)?.ok()?.json()?;
    let number = |name: &str| told[name].as_u64().unwrap_or_default();
    if told["code"] != code {
        bail!("{}: exit code {}, expected {code}", words.join(" "), told["code"]);
    }
    let (wall, cpu) = (Duration::from_micros(number("wall")), Duration::from_micros(number("cpu")));
    Ok(Cost { wall, cpu, peak: number("peak") })
}

/// Runs a program to its end, and prints as JSON what it cost.
fn tell_cost(program: &str, arguments: &[&str]) -> Result<()> {
    let begun = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().with_context(|| program.to_owned())?;
    let wall = u64::try_from(begun.elapsed().as_micros())?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    println!("{}", json!({ "code": status.code(), "wall": wall, "cpu": cpu, "peak": usage.max_rss() }));
    Ok(())
}

/// The same files, kept by ansible-playbook where it is installed.
fn beside_a_peer(ours: Cost) -> Result<()> {
    let Ok(version) = program::run(Command::new("ansible-playbook").arg("--version")) else {
        println!("no peer: ansible-playbook is not installed (Debian: ansible-core)");
        return Ok(());
    };
    let directory = tempfile::Builder::new().prefix("provision-bench-").tempdir()?;
    let play = play(directory.path())?;
    let command: Vec<String> = [
        "ansible-playbook",
        "--connection",
        "local",
        "--inventory",
        "localhost,",
        &play.display().to_string(),
    ]
    .map(str::to_owned)
    .to_vec();
    cost(&command, 0)?;
    let theirs = cost(&command, 0)?;
    println!("\n{}", version.text()?.lines().next().unwrap_or_default());
    row(PEER_SIZE, "no-change play", theirs);
    let ratio = |theirs: Duration, ours: Duration| theirs.as_secs_f64() / ours.as_secs_f64().max(1e-6);
    println!(
        "a no-change apply of provision takes 1/{:.0} of its time, 1/{:.0} of its CPU time, 1/{:.1} of its memory",
        ratio(theirs.wall, ours.wall),
        ratio(theirs.cpu, ours.cpu),
        theirs.peak as f64 / ours.peak.max(1) as f64,
    );
    Ok(())
}

/// A play of one copy task over the same files, below `directory`.
fn play(directory: &Path) -> Result<PathBuf> {
    let files: Vec<_> = files(PEER_SIZE)
        .map(|file| {
            let path = directory.join(&file);
            fs::create_dir_all(path.parent().unwrap_or(directory))?;
            Ok(json!({ "path": path, "content": content(&file) }))
        })
        .collect::<Result<_>>()?;
    let copy = json!({ "dest": "{{ item.path }}", "content": "{{ item.content }}", "mode": "0644" });
    let task = json!({ "name": "files", "ansible.builtin.copy": copy, "loop": files });
    // JSON is YAML.
    let play = json!([{ "hosts": "localhost", "gather_facts": false, "tasks": [task] }]);
    let path = directory.join("play.yml");
    fs::write(&path, play.to_string())?;
    Ok(path)
}
