//! Archives as skopeo sees them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use provision_oci::archive;
use provision_oci::assemble::{Assembled, ImageSpec, scratch_image};

fn image() -> Assembled {
    let spec = ImageSpec {
        name: "localhost/tool:1".into(),
        program: "tool".into(),
        entrypoint: vec!["/tool".into()],
        directories: vec!["data".into()],
        labels: [].into(),
        architecture: "amd64".into(),
    };
    scratch_image(b"not really a program", &spec).unwrap()
}

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("skopeo (package skopeo) is needed: {error}"));
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn write(directory: &Path, bytes: &[u8]) -> String {
    let path = directory.join("image.tar");
    std::fs::write(&path, bytes).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn skopeo_reads_the_archive_and_makes_an_oci_archive_with_the_same_id() {
    let directory = tempfile::tempdir().unwrap();
    let image = image();
    let path = write(directory.path(), &image.archive);
    let config = skopeo(&["inspect", "--config", "--raw", &format!("docker-archive:{path}")]);
    assert!(config.contains("\"Entrypoint\":[\"/tool\"]"), "{config}");

    let oci = directory.path().join("oci.tar").to_string_lossy().into_owned();
    skopeo(&["copy", "--quiet", &format!("docker-archive:{path}"), &format!("oci-archive:{oci}:tool")]);
    let read = archive::read(&std::fs::read(&oci).unwrap()).unwrap();
    assert_eq!(read.names, ["tool"]);
    // skopeo writes the configuration anew for OCI: what it holds is compared, not the id.
    let config = skopeo(&["inspect", "--config", "--raw", &format!("oci-archive:{oci}")]);
    assert_eq!(read.image_id, provision_oci::Digest::of(config.as_bytes()).hex());
    let manifest = skopeo(&["inspect", "--raw", &format!("oci-archive:{oci}")]);
    assert_eq!(read.manifest, Some(provision_oci::Digest::of(manifest.as_bytes())));
}

#[test]
fn what_is_no_archive_of_one_image_is_named() {
    let check = |bytes: &[u8], expected: &str| {
        let error = archive::read(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(b"hello", "");
    check(&[0; 1024], "neither index.json");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0..20_000usize, byte: u8, cut in 0..30_000usize) {
        let mut bytes = image().archive;
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(cut.max(1));
        let _ = archive::read(&bytes);
    }
}
