//! A root is a temporary directory here; the code path is the one of the running system.

#![expect(clippy::unwrap_used, reason = "a set-up that fails is a test that fails")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use provision_host::{Error, Meta, Node, NodeKind, Root, TEMPORARY_PREFIX};

fn root() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    for name in ["/etc", "/var", "/var/lib"] {
        root.make_dir(Path::new(name), &Meta::own(0o755)).unwrap();
    }
    (directory, root)
}

fn names(root: &Root, path: &str) -> Vec<String> {
    root.list(Path::new(path)).unwrap().unwrap()
}

#[test]
fn absence_is_not_an_error() {
    let (_directory, root) = root();
    root.write(Path::new("/etc/file"), b"", &Meta::own(0o644)).unwrap();
    for path in ["/nothing", "/no/such/parent", "/etc/file/below-a-file"] {
        let path = Path::new(path);
        assert_eq!(root.node(path).unwrap(), None);
        assert_eq!(root.read(path).unwrap(), None);
        assert_eq!(root.list(path).unwrap(), None);
        assert!(!root.remove(path).unwrap());
    }
}

#[test]
fn a_copy_has_the_bytes_and_a_mode_of_its_own() {
    let (_directory, root) = root();
    let (from, to) = (Path::new("/etc/from"), Path::new("/var/to"));
    let long = vec![7; 300_000];
    root.write(from, &long, &Meta::own(0o644)).unwrap();
    root.copy(from, to, &Meta::own(0o700)).unwrap();
    root.copy(from, to, &Meta::own(0o700)).unwrap();
    assert_eq!(root.read(to).unwrap(), Some(long));
    assert_eq!(root.node(to).unwrap().unwrap().meta.mode, 0o700);
    let error = root.copy(Path::new("/etc/none"), to, &Meta::own(0o700)).unwrap_err().to_string();
    assert_eq!(error, "cannot read /etc/none");
    assert_eq!(names(&root, "/var"), ["lib", "to"]);
}

#[test]
fn a_written_file_has_its_bytes_mode_and_no_leftovers() {
    let (directory, root) = root();
    let path = Path::new("/etc/secret");
    for (bytes, mode) in [(&b"one"[..], 0o600), (b"two", 0o4755), (b"", 0o000)] {
        let meta = Meta::own(mode);
        root.write(path, bytes, &meta).unwrap();
        let size = bytes.len() as u64;
        assert_eq!(root.node(path).unwrap(), Some(Node { kind: NodeKind::File { size }, meta }));
        let seen = std::fs::metadata(directory.path().join("etc/secret")).unwrap();
        assert_eq!(seen.permissions().mode() & 0o7777, mode);
    }
    assert_eq!(names(&root, "/etc"), ["secret"]);
}

#[test]
fn a_write_replaces_a_link_and_not_what_it_points_to() {
    let (_directory, root) = root();
    root.write(Path::new("/etc/real"), b"real", &Meta::own(0o644)).unwrap();
    root.symlink(Path::new("/etc/link"), "real", &Meta::own(0o777)).unwrap();
    assert_eq!(root.read(Path::new("/etc/link")).unwrap().unwrap(), b"real");
    root.write(Path::new("/etc/link"), b"new", &Meta::own(0o644)).unwrap();
    assert_eq!(root.read(Path::new("/etc/real")).unwrap().unwrap(), b"real");
    assert_eq!(root.read(Path::new("/etc/link")).unwrap().unwrap(), b"new");
}

#[test]
fn links_never_lead_out_of_the_root() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("hostname"), "outside").unwrap();
    let (directory, root) = root();
    root.write(Path::new("/etc/hostname"), b"inside", &Meta::own(0o644)).unwrap();
    for (name, target) in [
        ("absolute", "/etc/hostname"),
        ("climbing", "../../../../../../../etc/hostname"),
        ("near", "hostname"),
    ] {
        root.symlink(&Path::new("/etc").join(name), target, &Meta::own(0o777)).unwrap();
        assert_eq!(root.read(&Path::new("/etc").join(name)).unwrap().unwrap(), b"inside", "{name}");
    }
    // A directory link that leaves the root: reads and writes stay inside all the same.
    std::os::unix::fs::symlink(outside.path(), directory.path().join("exit")).unwrap();
    assert_eq!(root.read(Path::new("/exit/hostname")).unwrap(), None);
    assert!(root.write(Path::new("/exit/new"), b"x", &Meta::own(0o644)).is_err());
    assert!(!outside.path().join("new").exists());
}

#[test]
fn the_file_behind_links_is_found_inside_the_root() {
    let (_directory, root) = root();
    root.write(Path::new("/etc/real"), b"", &Meta::own(0o644)).unwrap();
    let links = [("/var/one", "../etc/real"), ("/var/two", "/var/one"), ("/up", "../../../../etc/real")];
    for (link, target) in links {
        root.symlink(Path::new(link), target, &Meta::own(0o777)).unwrap();
        assert_eq!(root.behind(Path::new(link)).unwrap(), Path::new("/etc/real"), "{link}");
    }
    for path in ["/etc/real", "/nothing"] {
        assert_eq!(root.behind(Path::new(path)).unwrap(), Path::new(path));
    }
    root.symlink(Path::new("/var/dead"), "lib/nothing", &Meta::own(0o777)).unwrap();
    assert_eq!(root.behind(Path::new("/var/dead")).unwrap(), Path::new("/var/lib/nothing"));
    root.symlink(Path::new("/var/loop"), "loop", &Meta::own(0o777)).unwrap();
    assert!(root.behind(Path::new("/var/loop")).unwrap_err().to_string().contains("/var/loop"));
}

#[test]
fn directories_links_and_removal() {
    let (_directory, root) = root();
    let path = Path::new("/etc/app.d");
    root.make_dir(path, &Meta::own(0o2750)).unwrap();
    assert_eq!(
        root.node(path).unwrap().unwrap(),
        Node { kind: NodeKind::Directory, meta: Meta::own(0o2750) }
    );
    root.make_dir(path, &Meta::own(0o700)).unwrap();
    assert_eq!(root.node(path).unwrap().unwrap().meta.mode, 0o700);
    root.symlink(&path.join("current"), "generations/0007", &Meta::own(0o777)).unwrap();
    root.symlink(&path.join("current"), "generations/0008", &Meta::own(0o777)).unwrap();
    assert_eq!(root.link_target(&path.join("current")).unwrap().unwrap(), "generations/0008");
    assert!(matches!(root.remove(path), Err(Error::NotEmpty { .. })));
    assert!(root.remove(&path.join("current")).unwrap());
    assert!(root.remove(path).unwrap());
    assert_eq!(root.node(path).unwrap(), None);
    assert!(matches!(root.remove(Path::new("/")), Err(Error::BadPath { .. })));
}

#[test]
fn a_tree_is_removed_without_following_links() {
    let (_directory, root) = root();
    root.write(Path::new("/etc/kept"), b"kept", &Meta::own(0o644)).unwrap();
    root.make_dir(Path::new("/var/lib/app"), &Meta::own(0o755)).unwrap();
    root.make_dir(Path::new("/var/lib/app/deep"), &Meta::own(0o755)).unwrap();
    root.symlink(Path::new("/var/lib/app/etc"), "/etc", &Meta::own(0o777)).unwrap();
    root.write(Path::new("/var/lib/app/deep/file"), b"x", &Meta::own(0o644)).unwrap();
    assert!(root.remove_tree(Path::new("/var/lib/app")).unwrap());
    assert!(!root.remove_tree(Path::new("/var/lib/app")).unwrap());
    assert_eq!(names(&root, "/var/lib"), Vec::<String>::new());
    assert_eq!(root.read(Path::new("/etc/kept")).unwrap().unwrap(), b"kept");
}

#[test]
fn attributes_are_set_changed_and_removed() {
    let (_directory, root) = root();
    let path = Path::new("/etc/labelled");
    let mut meta = Meta::own(0o644);
    meta.xattrs.insert("user.note".into(), vec![0, 255, 1]);
    meta.xattrs.insert("user.long".into(), vec![b'x'; 1000]);
    match root.write(path, b"x", &meta) {
        Ok(()) => {}
        Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::Unsupported => {
            panic!("the temporary directory's file system keeps no user attributes: set TMPDIR elsewhere")
        }
        Err(other) => panic!("{other}"),
    }
    assert_eq!(root.node(path).unwrap().unwrap().meta, meta);
    meta.xattrs = BTreeMap::from([("user.note".into(), b"new".to_vec())]);
    root.set_meta(path, &meta).unwrap();
    assert_eq!(root.node(path).unwrap().unwrap().meta, meta);
    root.write(path, b"y", &Meta::own(0o600)).unwrap();
    assert_eq!(root.node(path).unwrap().unwrap().meta, Meta::own(0o600));
}

#[test]
fn failures_name_the_path_and_leave_nothing_behind() {
    let (_directory, root) = root();
    let missing = root.write(Path::new("/no/dir/file"), b"", &Meta::own(0o600)).unwrap_err();
    assert_eq!(missing.to_string(), "cannot write /no/dir/file");
    for path in ["etc", "etc/../../passwd", "/etc/../etc"] {
        assert!(matches!(root.node(Path::new(path)), Err(Error::BadPath { .. })), "{path}");
        assert!(matches!(root.read(Path::new(path)), Err(Error::BadPath { .. })), "{path}");
    }
    assert!(matches!(root.read(Path::new("/etc")), Err(Error::BadPath { .. })));
    // A file cannot take the place of a directory.
    root.make_dir(Path::new("/etc/dir"), &Meta::own(0o755)).unwrap();
    assert!(root.write(Path::new("/etc/dir"), b"", &Meta::own(0o600)).is_err());
    assert!(root.write(Path::new("/etc/mode"), b"", &Meta::own(0o100_644)).is_err());
    assert!(names(&root, "/etc").iter().all(|name| !name.starts_with(TEMPORARY_PREFIX)));
}

#[test]
fn many_files_are_written_and_waited_for_at_once() {
    let (_directory, root) = root();
    for name in ["/etc/a", "/etc/b", "/etc/a"] {
        root.write_soon(Path::new(name), name.as_bytes(), &Meta::own(0o444)).unwrap();
    }
    root.sync(Path::new("/etc")).unwrap();
    assert_eq!(root.read_text(Path::new("/etc/b")).unwrap().unwrap(), "/etc/b");
    assert_eq!(root.node(Path::new("/etc/a")).unwrap().unwrap().meta, Meta::own(0o444));
    assert!(names(&root, "/etc").iter().all(|name| !name.starts_with(TEMPORARY_PREFIX)));
    let missing = root.sync(Path::new("/no/dir")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot sync the file system of /no/dir");
}

#[test]
fn bytes_are_appended() {
    let (_directory, root) = root();
    let journal = Path::new("/var/lib/journal.ndjson");
    root.append(journal, b"one\n", 0o600).unwrap();
    root.append_soon(journal, b"two\n", 0o600).unwrap();
    assert_eq!(root.read_text(journal).unwrap().unwrap(), "one\ntwo\n");
    assert_eq!(root.node(journal).unwrap().unwrap().meta.mode, 0o600);
}

#[test]
fn space_is_that_of_the_nearest_ancestor() {
    let (_directory, root) = root();
    let here = root.space(Path::new("/var/lib/not/there/yet")).unwrap();
    assert!(here.total > 0 && here.free <= here.total);
    assert_eq!(here.mount_point, Path::new("/"));
    let live = Root::live().unwrap().space(Path::new("/proc/self")).unwrap();
    assert_eq!(live.mount_point, Path::new("/proc"));
}
