//! Where files of credentials are looked for, in order.
//!
//! Knows the search order of containers-auth.json(5). Must not know the environment itself: its values are given.

use std::path::{Path, PathBuf};

/// The values on which the search depends; an empty string counts as unset.
#[derive(Debug, Clone, Default)]
pub struct Environment<'a> {
    /// A file named by the user on the command line.
    pub authfile: Option<&'a Path>,
    /// `REGISTRY_AUTH_FILE`.
    pub registry_auth_file: Option<&'a str>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<&'a str>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<&'a str>,
    /// `DOCKER_CONFIG`: the directory of Docker's `config.json`.
    pub docker_config: Option<&'a str>,
    /// The home directory.
    pub home: Option<&'a str>,
    /// The effective user, for `/run/containers/<uid>/auth.json` where there is no runtime directory.
    pub uid: u32,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"auths": {…}}`: [`AuthFile::parse`](crate::AuthFile::parse).
    Auths,
    /// `~/.dockercfg`, entries at the top level: [`AuthFile::parse_legacy`](crate::AuthFile::parse_legacy).
    Legacy,
}

/// A file that may exist and may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its path.
    pub path: PathBuf,
    /// Its form.
    pub format: Format,
    /// Whether a login writes to it: true of the first one only. All others are read.
    pub primary: bool,
}

/// The files to read, first hit wins.
///
/// A file that the user names (`authfile`, else `REGISTRY_AUTH_FILE`) is the only one, so that no other login is sent
/// by accident. Otherwise: `$XDG_RUNTIME_DIR/containers/auth.json` (a tmpfs: lost at reboot),
/// `$XDG_CONFIG_HOME/containers/auth.json`, Docker's `config.json`, `~/.dockercfg`.
pub fn search_path(environment: &Environment<'_>) -> Vec<Candidate> {
    let set = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(PathBuf::from);
    let named = environment.authfile.map(Path::to_path_buf).or_else(|| set(environment.registry_auth_file));
    if let Some(path) = named {
        return vec![Candidate { path, format: Format::Auths, primary: true }];
    }
    let home = set(environment.home);
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let runtime = match set(environment.xdg_runtime_dir) {
        Some(directory) => directory.join("containers/auth.json"),
        None => PathBuf::from(format!("/run/containers/{}/auth.json", environment.uid)),
    };
    let config = set(environment.xdg_config_home).or_else(|| below_home(".config"));
    let docker = set(environment.docker_config).or_else(|| below_home(".docker"));
    let mut found = vec![Candidate { path: runtime, format: Format::Auths, primary: true }];
    let mut read = |path: Option<PathBuf>, format| {
        found.extend(path.map(|path| Candidate { path, format, primary: false }));
    };
    read(config.map(|directory| directory.join("containers/auth.json")), Format::Auths);
    read(docker.map(|directory| directory.join("config.json")), Format::Auths);
    read(below_home(".dockercfg"), Format::Legacy);
    found
}
