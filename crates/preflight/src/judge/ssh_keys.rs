//! The user's own keys for SSH: that there is one that ssh offers, and that nobody else can read or replace it.

use std::path::Path;

use provision_host::names::User;
use provision_host::{Error, Host};

use crate::scene::Scene;
use crate::verdict::Verdict;

/// What is in a user's home.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// `~/.ssh`, as a path.
    folder: String,
    /// Home, `~/.ssh` and `authorized_keys`, as far as they are there: path, mode and owner.
    guarded: Vec<(String, u32, u32)>,
    keys: Vec<Key>,
    /// Whether the kernel runs in FIPS mode.
    fips: bool,
}

/// A private key.
#[derive(Debug, Clone)]
struct Key {
    path: String,
    mode: u32,
    /// `256 ED25519`; `None` when ssh-keygen cannot tell.
    kind: Option<(u32, String)>,
}

pub(crate) fn probe(scene: &Scene<'_>) -> Result<Verdict, Error> {
    let user = scene.user()?;
    let seen = look(scene.host, &user)?;
    Ok(judge(&user, &seen))
}

fn look(host: &Host, user: &User) -> Result<Seen, Error> {
    let folder = user.home.join(".ssh");
    let fips = host.root.read_text(Path::new("/proc/sys/crypto/fips_enabled"))?;
    let mut seen = Seen {
        folder: folder.display().to_string(),
        fips: fips.is_some_and(|text| text.trim() == "1"),
        ..Seen::default()
    };
    for path in [user.home.clone(), folder.clone(), folder.join("authorized_keys")] {
        // A link has no mode of its own.
        if let Some(node) = host.root.node(&path)?.filter(|node| node.is_dir() || node.is_file()) {
            seen.guarded.push((path.display().to_string(), node.meta.mode, node.meta.uid));
        }
    }
    let names = host.root.list(&folder)?.unwrap_or_default();
    for name in &names {
        let private = !name.ends_with(".pub")
            && (name.starts_with("id_") || names.binary_search(&format!("{name}.pub")).is_ok());
        let path = folder.join(name);
        if let Some(node) = host.root.node(&path)?.filter(|node| private && node.is_file()) {
            let path = path.display().to_string();
            seen.keys.push(Key { kind: kind(host, &path), path, mode: node.meta.mode });
        }
    }
    Ok(seen)
}

fn kind(host: &Host, path: &str) -> Option<(u32, String)> {
    let output = host.program("ssh-keygen").args(["-l", "-f", path]).output().ok()?;
    parse_kind(&output.stdout)
}

/// `256 SHA256:… comment with spaces (ED25519)`.
fn parse_kind(text: &str) -> Option<(u32, String)> {
    let line = text.lines().next()?;
    let kind = line.rsplit_once('(')?.1.strip_suffix(')')?;
    Some((line.split_whitespace().next()?.parse().ok()?, kind.to_owned()))
}

fn judge(user: &User, seen: &Seen) -> Verdict {
    let expected =
        "a key that ssh offers, readable by its owner alone, in folders that only the owner writes";
    let mut defects = Vec::new();
    let mut remedies = Vec::new();
    for (path, mode, uid) in &seen.guarded {
        if mode & 0o022 != 0 {
            defects.push(format!("{path} has mode {mode:04o}: others can write it"));
            remedies.push(format!("chmod go-w {path}"));
        }
        if *uid != user.uid && *uid != 0 {
            defects.push(format!("{path} belongs to user id {uid}"));
            remedies.push(format!("sudo chown {} {path}", user.name));
        }
    }
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for key in &seen.keys {
        if key.mode & 0o077 != 0 {
            bad.push(format!("{} has mode {:04o}: ssh ignores it", key.path, key.mode));
            remedies.push(format!("chmod 0600 {}", key.path));
        } else if let Some(reason) = refused(key, seen.fips) {
            bad.push(format!("{} {reason}", key.path));
        } else {
            let kind = key.kind.as_ref().map_or("kind not known", |(_, kind)| kind.as_str());
            good.push(format!("{} ({kind})", key.path));
        }
    }
    if good.is_empty() && remedies.is_empty() {
        remedies.push(make(&seen.folder, seen.fips));
    }
    let none = seen.keys.is_empty().then(|| format!("no key in {}", seen.folder));
    let fatal = !defects.is_empty() || good.is_empty();
    let found = defects.into_iter().chain(none).chain(bad.clone()).chain(good).collect::<Vec<_>>().join("; ");
    let verdict = match (fatal, bad.is_empty()) {
        (true, _) => Verdict::fail(found, expected),
        (false, false) => Verdict::warn(found, expected),
        (false, true) => return Verdict::pass(found, expected),
    };
    if remedies.is_empty() { verdict } else { verdict.remedy(remedies.join(" && ")) }
}

/// Why current servers refuse a key: sizes and kinds as the crypto policies of RHEL 8 and newer have them.
fn refused(key: &Key, fips: bool) -> Option<String> {
    match key.kind.as_ref()? {
        (bits, kind) if kind == "RSA" && *bits < 2048 => {
            Some(format!("is RSA with {bits} bits: expected 2048 or more"))
        }
        (_, kind) if kind == "DSA" => Some("is DSA, which OpenSSH gave up".to_owned()),
        (_, kind) if kind.starts_with("ED25519") && fips => {
            Some("is ED25519, which FIPS mode does not allow".to_owned())
        }
        _ => None,
    }
}

fn make(folder: &str, fips: bool) -> String {
    let kind = if fips { "ecdsa" } else { "ed25519" };
    format!("install -d -m 0700 {folder} && ssh-keygen -t {kind} -N '' -f {folder}/id_{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{self, Fail, Pass, Warn};

    fn user() -> User {
        User { name: "ada".into(), uid: 1000, gid: 1000, home: "/home/ada".into() }
    }

    fn key(name: &str, mode: u32, kind: &str, bits: u32) -> Key {
        Key { path: format!("/h/.ssh/{name}"), mode, kind: Some((bits, kind.into())) }
    }

    #[test]
    fn keys_and_modes() {
        let check = |keys: &[Key], mode, fips, status: Status, found: &str, remedy: &str| {
            let guarded = vec![("/h/.ssh".to_owned(), mode, 1000)];
            let seen = Seen { folder: "/h/.ssh".into(), guarded, keys: keys.to_vec(), fips };
            let verdict = judge(&user(), &seen);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
            assert_eq!(verdict.remedy.unwrap_or_default(), remedy);
        };
        let good = key("id_ed25519", 0o600, "ED25519", 256);
        let open = key("id_rsa", 0o644, "RSA", 3072);
        let one = std::slice::from_ref(&good);
        check(one, 0o700, false, Pass, "/h/.ssh/id_ed25519 (ED25519)", "");
        let make = "install -d -m 0700 /h/.ssh && ssh-keygen -t ed25519 -N '' -f /h/.ssh/id_ed25519";
        check(&[], 0o700, false, Fail, "no key in /h/.ssh", make);
        let found = "/h/.ssh/id_rsa has mode 0644: ssh ignores it";
        check(std::slice::from_ref(&open), 0o700, false, Fail, found, "chmod 0600 /h/.ssh/id_rsa");
        let found = format!("{found}; /h/.ssh/id_ed25519 (ED25519)");
        check(&[good.clone(), open], 0o700, false, Warn, &found, "chmod 0600 /h/.ssh/id_rsa");
        let found = "/h/.ssh has mode 0770: others can write it; /h/.ssh/id_ed25519 (ED25519)";
        check(one, 0o770, false, Fail, found, "chmod go-w /h/.ssh");
        let found = "/h/.ssh/id_ed25519 is ED25519, which FIPS mode does not allow";
        let make = "install -d -m 0700 /h/.ssh && ssh-keygen -t ecdsa -N '' -f /h/.ssh/id_ecdsa";
        check(one, 0o700, true, Fail, found, make);
        let found = "/h/.ssh/id_rsa is RSA with 1024 bits: expected 2048 or more";
        let make = "install -d -m 0700 /h/.ssh && ssh-keygen -t ed25519 -N '' -f /h/.ssh/id_ed25519";
        check(&[key("id_rsa", 0o600, "RSA", 1024)], 0o700, false, Fail, found, make);
    }

    #[test]
    fn recorded_ssh_keygen() {
        let check = |text: &str, expected: Option<(u32, &str)>| {
            let expected = expected.map(|(bits, kind)| (bits, kind.to_owned()));
            assert_eq!(parse_kind(text), expected, "{text}");
        };
        check("256 SHA256:0aPz ada@site (laptop) (ED25519)\n", Some((256, "ED25519")));
        check("3072 SHA256:abc no comment (RSA)\n", Some((3072, "RSA")));
        check("/x is not a public key file.\n", None);
        check("", None);
    }

    #[test]
    fn a_home_below_a_root() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("home/ada/.ssh");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, mode) in
            [("id_ed25519", 0o600), ("id_ed25519.pub", 0o644), ("config", 0o644), ("known_hosts", 0o644)]
        {
            std::fs::write(folder.join(name), "x").unwrap();
            std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let seen = look(&Host::with_root(root.path()).unwrap(), &user()).unwrap();
        let paths: Vec<&str> = seen.keys.iter().map(|key| key.path.as_str()).collect();
        assert_eq!((paths, seen.guarded.len()), (vec!["/home/ada/.ssh/id_ed25519"], 2));
    }
}
