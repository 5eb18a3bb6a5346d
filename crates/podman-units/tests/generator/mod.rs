//! podman's own generator of units from Quadlet files: the installed one where podman is new enough, else that of
//! Debian 13's package (podman 5.4), unpacked below `target` and never installed. It knows all keys of podman 4.4, too; that
//! files for 4.4 use no newer ones is what the golden files show.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const INSTALLED: &str = "/usr/libexec/podman/quadlet";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The unit that the generator makes of one Quadlet file; an error is what it complained of.
pub(crate) fn generate(name: &str, text: &str) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    let mut generator = Command::new(find());
    let output = generator.arg("--dryrun").env("QUADLET_UNIT_DIRS", directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // It names the files it reads, and only what it cannot use beside that.
    let complaints = said.lines().filter(|line| !line.contains("Loading source unit file"));
    match complaints.collect::<Vec<_>>().as_slice() {
        [] if output.status.success() => {
            let printed = String::from_utf8_lossy(&output.stdout);
            let unit = printed.trim_start().split_once('\n').filter(|(head, _)| head.starts_with("---"));
            unit.map(|(_, unit)| unit.to_owned()).ok_or_else(|| format!("it made no unit:\n{printed}"))
        }
        _ => Err(said),
    }
}

fn find() -> PathBuf {
    let installed = PathBuf::from(INSTALLED);
    if installed.exists() { installed } else { fetched() }
}

fn fetched() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("podman-generator");
    let generator = folder.join("quadlet");
    // Several tests may need it at once.
    fs::create_dir_all(folder.join("lists/partial")).unwrap();
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if !generator.exists() {
        let sources = folder.join("sources.list");
        fs::write(&sources, format!("deb [signed-by={KEYRING}] {} trixie main\n", mirror())).unwrap();
        let options = [
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", folder.join("lists").display()),
            format!("Dir::Cache={}", folder.display()),
            "APT::Sandbox::User=root".to_owned(),
        ];
        let apt = |arguments: &[&str]| {
            let options = options.iter().flat_map(|option| ["-o", option.as_str()]);
            run(Command::new("apt-get").current_dir(&folder).args(options).args(arguments));
        };
        apt(&["update"]);
        apt(&["download", "podman"]);
        let package = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let package =
            package.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb")).unwrap();
        run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(folder.join("unpacked")));
        fs::rename(folder.join("unpacked").join(&INSTALLED[1..]), &generator).unwrap();
        fs::remove_dir_all(folder.join("unpacked")).unwrap();
        fs::remove_file(package).unwrap();
    }
    generator
}

/// Where this machine's own packages come from.
fn mirror() -> String {
    let format = "$(REPO_URI)\t$(SUITE)\t$(ORIGIN)";
    let output = run(Command::new("apt-get").args(["indextargets", "--format", format]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().find_map(|line| {
        let uri = line.split('\t').next().filter(|_| line.ends_with("\tDebian"))?;
        uri.trim_end_matches('/').ends_with("/debian").then(|| uri.to_owned())
    });
    found.unwrap_or_else(|| panic!("{INSTALLED} is missing, and no Debian mirror is known to apt:\n{text}"))
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{INSTALLED} is missing, and could not be fetched: {command:?}\n{said}");
    output
}
