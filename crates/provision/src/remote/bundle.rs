//! What goes to the target before a command: its arguments, and the profile with everything that it names on this machine,
//! each under the path it has here. So it is read there, from memory: errors and plans name the files that their author
//! knows, and nothing of it is on the target's disk.
//!
//! One line of JSON, then the bytes of the files and of the variables in the order in which it lists them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind, Read};
use std::path::{Path, PathBuf};

use provision_converge::Bytes;
use provision_profile::Supplies;
use serde::{Deserialize, Serialize};

use super::frame::INTERRUPT;
use crate::cli::ProfileArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::saved::SavedPlan;
use crate::signal;
use crate::supply::Supply;

/// The one form there is. Both ends are the same binary, so it says more to people than to programs.
const FORM: u32 = 1;
/// The most that the first line may have, in bytes: it holds names.
const LONGEST_HEADER: u64 = 4 << 20;
/// Where systemd lays the credentials of a service (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What came to the target.
#[derive(Debug, Default)]
pub struct Bundle {
    directory: PathBuf,
    files: BTreeMap<PathBuf, Result<Bytes, Refused>>,
    variables: BTreeMap<String, Bytes>,
}

/// Why a file could not be read where it is. One that is not there is not told.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Refused {
    Denied,
    Directory,
    Unreadable,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    form: u32,
    arguments: Vec<String>,
    directory: PathBuf,
    files: Vec<(PathBuf, Result<u64, Refused>)>,
    variables: Vec<(String, u64)>,
}

impl Bundle {
    /// Everything that a command needs of this machine, ready to be sent. A profile that is wrong is an error here.
    pub fn pack(arguments: Vec<String>, profile: Option<&ProfileArgs>) -> Result<Bytes, Failure> {
        let directory = provision_host::current_dir().unwrap_or_default();
        let mut bundle = Self { directory, ..Self::default() };
        if let Some(args) = profile {
            bundle.collect(args)?;
        }
        bundle.bytes(arguments)
    }

    /// Reads what loading the profile reads, and what making things of it will ask for.
    fn collect(&mut self, args: &ProfileArgs) -> Result<(), Failure> {
        let here = Supply::Here;
        let files = RefCell::new(BTreeMap::new());
        let read = |path: &Path| {
            let found = here.read(path);
            match &found {
                Ok(bytes) => drop(files.borrow_mut().insert(path.to_owned(), Ok(Bytes::new(bytes.clone())))),
                Err(error) => {
                    files.borrow_mut().extend(Refused::by(error).map(|why| (path.to_owned(), Err(why))))
                }
            }
            found
        };
        let path = here.absolute(&args.profile)?;
        let supplies = match read(&path) {
            Ok(bytes) if Supply::is_plan(&bytes) => {
                SavedPlan::read_here(&path)??.map(|saved| Supplies::of(&saved.recipes)).unwrap_or_default()
            }
            _ => {
                drop(read(&path.with_extension("lock")));
                provision_profile::load(&path, &args.settings, &read)?.supplies()
            }
        };
        for file in &supplies.files {
            drop(read(file));
        }
        let mut variables = supplies.variables;
        if let Some(folder) = here.variable(CREDENTIALS).filter(|_| !supplies.credentials.is_empty()) {
            for name in &supplies.credentials {
                drop(read(&Path::new(&folder).join(name)));
            }
            variables.insert(CREDENTIALS.to_owned());
        }
        let found = variables.into_iter().filter_map(|name| {
            let value = here.variable(&name)?;
            Some((name, Bytes::new(value.into_bytes())))
        });
        self.variables.extend(found);
        self.files = files.into_inner();
        Ok(())
    }

    fn bytes(self, arguments: Vec<String>) -> Result<Bytes, Failure> {
        let size = |bytes: &Bytes| bytes.len() as u64;
        let files =
            self.files.iter().map(|(path, file)| (path.clone(), file.as_ref().map(size).map_err(|why| *why)));
        let header = Header {
            form: FORM,
            arguments,
            directory: self.directory.clone(),
            files: files.collect(),
            variables: self.variables.iter().map(|(name, value)| (name.clone(), size(value))).collect(),
        };
        let line = serde_json::to_string(&header).map_err(|error| {
            // Paths that are not UTF-8 are the only thing that JSON cannot hold.
            Failure::because(Exit::Usage, &error)
                .hint("give folders and files that go to another host names in UTF-8")
        })?;
        let mut all = Bytes::new(Vec::new());
        // At once: what grows is copied, and leaves copies of secrets behind in memory.
        let rest: usize =
            self.files.values().flatten().chain(self.variables.values()).map(|bytes| bytes.len()).sum();
        all.reserve_exact(line.len() + 1 + rest);
        all.extend_from_slice(line.as_bytes());
        all.push(b'\n');
        self.files
            .values()
            .flatten()
            .chain(self.variables.values())
            .for_each(|bytes| all.extend_from_slice(bytes));
        Ok(all)
    }

    /// Takes a bundle from standard input, and listens for an interrupt that may follow it.
    pub fn receive() -> Result<Self, Failure> {
        let mut stdin = io::BufReader::new(io::stdin());
        let bundle = Self::read_from(&mut stdin)?;
        std::thread::spawn(move || {
            let mut line = String::new();
            while let Ok(1..) = stdin.read_line(&mut line) {
                if line == INTERRUPT {
                    signal::stop(signal::TAKING_BACK);
                }
                line.clear();
            }
        });
        Ok(bundle)
    }

    fn read_from(from: &mut impl BufRead) -> Result<Self, Failure> {
        let header = header(from)?.1;
        let mut bundle = Self { directory: header.directory, ..Self::default() };
        for (path, size) in header.files {
            let file =
                size.map(|size| piece(from, size)).map_or_else(|why| Ok(Err(why)), |piece| piece.map(Ok))?;
            bundle.files.insert(path, file);
        }
        for (name, size) in header.variables {
            bundle.variables.insert(name, piece(from, size)?);
        }
        Ok(bundle)
    }

    /// The folder that the command was typed in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file of the machine where the command was typed.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(Ok(bytes)) => Ok(bytes.to_vec()),
            Some(Err(Refused::Denied)) => Err(ErrorKind::PermissionDenied.into()),
            Some(Err(Refused::Directory)) => Err(ErrorKind::IsADirectory.into()),
            Some(Err(Refused::Unreadable)) => Err(io::Error::other("it could not be read there")),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// A variable of the environment in which the command was typed.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

impl Refused {
    fn by(error: &io::Error) -> Option<Self> {
        match error.kind() {
            ErrorKind::NotFound => None,
            ErrorKind::PermissionDenied => Some(Self::Denied),
            ErrorKind::IsADirectory => Some(Self::Directory),
            _ => Some(Self::Unreadable),
        }
    }
}

/// The first line of a bundle, and the arguments it asks a command to be run with.
pub fn arguments(from: &mut impl BufRead) -> Result<(Vec<u8>, Vec<String>), Failure> {
    let (line, header) = header(from)?;
    Ok((line, header.arguments))
}

fn header(from: &mut impl BufRead) -> Result<(Vec<u8>, Header), Failure> {
    let mut line = Vec::new();
    from.take(LONGEST_HEADER).read_until(b'\n', &mut line).map_err(|_| cut_off())?;
    if line.last() != Some(&b'\n') {
        return Err(cut_off());
    }
    match serde_json::from_slice::<Header>(&line) {
        Ok(header) if header.form == FORM => Ok((line, header)),
        _ => Err(Failure::new(Exit::Usage, "standard input holds no bundle")
            .hint("this is how provision calls itself on another host; give it --target instead")),
    }
}

fn piece(from: &mut impl Read, size: u64) -> Result<Bytes, Failure> {
    let mut bytes = Bytes::new(Vec::new());
    let taken = from.take(size).read_to_end(&mut bytes).map_err(|_| cut_off())?;
    if taken as u64 == size { Ok(bytes) } else { Err(cut_off()) }
}

fn cut_off() -> Failure {
    Failure::new(Exit::Failed, "the connection ended before the profile was here whole")
        .hint("nothing was changed; run the same command again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> Vec<u8> {
        let mut bundle = Bundle { directory: "/home/me".into(), ..Bundle::default() };
        bundle.files.insert("/home/me/a.toml".into(), Ok(Bytes::new(b"one\n".to_vec())));
        bundle.files.insert("/home/me/b".into(), Err(Refused::Denied));
        bundle.files.insert("/home/me/c".into(), Ok(Bytes::new(b"\xff\n".to_vec())));
        bundle.variables.insert("PW".into(), Bytes::new(b"secret".to_vec()));
        bundle.bytes(vec!["apply".into(), "a.toml".into()]).unwrap().to_vec()
    }

    #[test]
    fn what_is_packed_is_read_under_its_own_name() {
        let bundle = Bundle::read_from(&mut packed().as_slice()).unwrap();
        assert_eq!(bundle.directory(), Path::new("/home/me"));
        assert_eq!(bundle.read(Path::new("/home/me/a.toml")).unwrap(), b"one\n");
        assert_eq!(bundle.read(Path::new("/home/me/c")).unwrap(), b"\xff\n");
        let kind = |path: &str| bundle.read(Path::new(path)).unwrap_err().kind();
        assert_eq!(kind("/home/me/b"), ErrorKind::PermissionDenied);
        assert_eq!(kind("/etc/passwd"), ErrorKind::NotFound);
        assert_eq!((bundle.variable("PW").as_deref(), bundle.variable("HOME")), (Some("secret"), None));
        let (line, arguments) = arguments(&mut packed().as_slice()).unwrap();
        assert_eq!(arguments, ["apply", "a.toml"]);
        assert!(packed().starts_with(&line) && !line.windows(6).any(|part| part == b"secret"));
    }

    #[test]
    fn the_lock_comes_along_with_its_profile() {
        let directory = tempfile::tempdir().unwrap();
        let (profile, lock) = (directory.path().join("a.toml"), directory.path().join("a.lock"));
        std::fs::write(&profile, "schema = 1\nname = \"a\"\n").unwrap();
        std::fs::write(&lock, "schema = 1\n").unwrap();
        let args = ProfileArgs { profile, settings: Vec::new() };
        let packed = Bundle::pack(vec!["plan".into()], Some(&args)).unwrap();
        let bundle = Bundle::read_from(&mut packed.as_slice()).unwrap();
        assert_eq!(bundle.read(&lock).unwrap(), b"schema = 1\n");
    }

    #[test]
    fn a_bundle_that_is_cut_off_or_none_is_refused() {
        let all = packed();
        for length in 0..all.len() {
            let failure = Bundle::read_from(&mut &all[..length]).unwrap_err();
            assert_eq!(failure.exit, Exit::Failed, "{length}");
        }
        for other in [&b"\n"[..], b"{}\n", b"null\n", b"{\"form\":2}\n", b"\xff\xff\n"] {
            assert_eq!(Bundle::read_from(&mut &*other).unwrap_err().exit, Exit::Usage);
        }
    }
}
