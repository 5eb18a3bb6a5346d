//! A disk that is full: the client is told so, and nothing half is left.
//!
//! The store lies on a small tmpfs, mounted in a mount namespace of its own. That needs `unshare` (util-linux), and
//! root or user namespaces; where there is neither, the test fails and says so.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::site::{Site, bytes, digest, manifest};

/// Bytes that the disk holds.
const SIZE: usize = 4 * 1024 * 1024;

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing_half() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::mount(directory.path());
    let site = Site::with(|config| config.store = disk.path()).await;
    let mut client = site.client().await;
    let small = client.push_blob("a", b"fits").await;
    let large = bytes(2 * SIZE, 9);
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest(&large));
    assert_eq!(client.send("POST", &path, &[], large.clone()).await.verdict(), "507 UNKNOWN");
    let place = client.send("POST", "/v2/a/blobs/uploads/", &[], "").await.header("location").to_owned();
    assert_eq!(client.send("PATCH", &place, &[], large).await.verdict(), "507 UNKNOWN");
    // There is room again, also for what nearly fills the disk: nothing of the large ones is left.
    assert_eq!(client.get(&place).await.verdict(), "404 BLOB_UPLOAD_UNKNOWN");
    client.push_blob("a", &bytes(SIZE - 700_000, 10)).await;
    assert_eq!(client.get(&format!("/v2/a/blobs/{small}")).await.body, "fits");
    // And a manifest for which there is none.
    client.push_blob("a", &bytes(500_000, 11)).await;
    let config = (small, 4);
    let large = [manifest(&config, &config), vec![b' '; 500_000]].concat();
    assert_eq!(client.send("PUT", "/v2/a/manifests/v1", &[], large).await.verdict(), "507 UNKNOWN");
    assert_eq!(client.get("/v2/a/manifests/v1").await.verdict(), "404 MANIFEST_UNKNOWN");
}

/// A small disk, seen through the root directory of the process that mounted it.
struct Disk {
    child: Child,
    directory: PathBuf,
}

impl Disk {
    fn mount(directory: &Path) -> Disk {
        // Lives until its standard input is closed: at the latest when the test ends.
        let script = format!("mount -t tmpfs -o size={SIZE} tmpfs \"$0\" && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", &script]).arg(directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("unshare (util-linux) starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "mount namespaces need root or user namespaces");
        Disk { child, directory: directory.to_owned() }
    }

    fn path(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        root.join(self.directory.strip_prefix("/").unwrap())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
