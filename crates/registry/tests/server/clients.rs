//! Real clients: skopeo and podman push, pull and log in, with TLS verified.
//!
//! Both programs must be installed (`skopeo`, `podman`); a test without its program fails and says so. Podman moves
//! images only: that needs no container to run, but root, or subordinate ids of the user.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::site::{PASSWORD, Site, USER, bytes, digest, manifest};

/// Runs a program; the output is shown when it has not the expected outcome.
async fn run(program: &str, arguments: Vec<String>, succeeds: bool) -> Output {
    run_with(program, arguments, "", succeeds).await
}

/// Runs a program that reads `input`.
async fn run_with(program: &str, arguments: Vec<String>, input: &'static str, succeeds: bool) -> Output {
    let name = program.to_owned();
    let shown = format!("{program} {}", arguments.join(" "));
    let child = move || {
        let mut command = Command::new("timeout");
        command.arg("120").arg(name).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().unwrap().write_all(input.as_bytes())?;
        child.wait_with_output()
    };
    let output = tokio::task::spawn_blocking(child).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.success(), succeeds, "{shown}\n{}\n{out}\n{err}", output.status);
    output
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// An OCI layout with one image of one layer, a tar of one file.
fn layout(directory: &Path) -> Vec<u8> {
    let tree = directory.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("payload"), bytes(1_500_000, 7)).unwrap();
    let tar = Command::new("tar")
        .args(["--sort=name", "--mtime=@0", "-cC"])
        .arg(&tree)
        .arg("payload")
        .output()
        .unwrap();
    assert!(tar.status.success(), "{tar:?}");
    let layer = tar.stdout;
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        digest(&layer)
    );
    let manifest = manifest(&(digest(config.as_bytes()), config.len()), &(digest(&layer), layer.len()));
    let blobs = directory.join("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    for blob in [config.as_bytes(), &layer, &manifest] {
        std::fs::write(blobs.join(digest(blob).trim_start_matches("sha256:")), blob).unwrap();
    }
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"v1"}}}}]}}"#,
        digest(&manifest),
        manifest.len()
    );
    std::fs::write(directory.join("layout/index.json"), index).unwrap();
    std::fs::write(directory.join("layout/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    manifest
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_pushes_pulls_lists_and_deletes() {
    let site = Site::start().await;
    let manifest = layout(site.directory.path());
    let port = site.address.port();
    let (certs, auth) = (site.path("certs"), site.auth_file("localhost", PASSWORD));
    let access = format!("--authfile {} --cert-dir {}", auth.display(), certs.display());
    let there = format!("--authfile {} --dest-cert-dir {}", auth.display(), certs.display());
    let here = format!("--authfile {} --src-cert-dir {}", auth.display(), certs.display());
    let (from, to) = (site.path("layout"), site.path("back"));
    let image = format!("docker://localhost:{port}/ocp4/openshift4");
    let push = format!("copy --preserve-digests {there} oci:{}:v1 {image}:v1", from.display());
    run("skopeo", words(&push), true).await;
    // Again, and to another repository: blobs are found and mounted.
    run("skopeo", words(&push), true).await;
    let mount = format!(
        "copy --preserve-digests {there} --src-cert-dir {} {image}:v1 {image}/copy:v2",
        certs.display()
    );
    run("skopeo", words(&mount), true).await;
    let pull = format!("copy --preserve-digests {here} {image}@{} dir:{}", digest(&manifest), to.display());
    run("skopeo", words(&pull), true).await;
    assert_eq!(std::fs::read(to.join("manifest.json")).unwrap(), manifest);
    let tags = run("skopeo", words(&format!("list-tags {access} {image}")), true).await;
    assert!(String::from_utf8_lossy(&tags.stdout).contains("\"v1\""), "{tags:?}");
    let raw = run("skopeo", words(&format!("inspect --raw {access} {image}:v1")), true).await;
    assert_eq!(raw.stdout, manifest);
    run("skopeo", words(&format!("delete {access} {image}:v1")), true).await;
    run("skopeo", words(&format!("inspect {access} {image}:v1")), false).await;
    let blobs = site.files().iter().filter(|file| file.starts_with("blobs/")).count();
    assert_eq!(blobs, 3, "{:?}", site.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_is_refused_without_the_authority_or_the_password() {
    let site = Site::start().await;
    site.client().await.push_image("a", "v1", b"layer").await;
    let port = site.address.port();
    let certs = site.path("certs");
    let none = site.path("no-certs");
    std::fs::create_dir(&none).unwrap();
    let check = async |password: &str, certs: &Path, expected: Option<&str>| {
        let (auth, certs) = (site.auth_file("localhost", password), certs.display());
        let list =
            format!("list-tags --authfile {} --cert-dir {certs} docker://localhost:{port}/a", auth.display());
        let output = run("skopeo", words(&list), expected.is_none()).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(expected.unwrap_or_default()), "{error}");
    };
    // The same request is granted, so that it is the authority and the password that the others lack.
    check(PASSWORD, &certs, None).await;
    check(PASSWORD, &none, Some("certificate")).await;
    check("wrong", &certs, Some("user and password are required")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_logs_in_pushes_and_pulls() {
    let site = Site::start().await;
    std::fs::write(site.path("payload"), bytes(1_500_000, 8)).unwrap();
    let archive = format!("-cf {0}/image.tar -C {0} payload", site.directory.path().display());
    run("tar", words(&archive), true).await;
    let port = site.address.port();
    let certs = site.path("certs").display().to_string();
    let auth = site.path("podman-auth.json").display().to_string();
    let base = format!(
        "--root {} --runroot {} --storage-driver vfs --events-backend none",
        site.path("storage").display(),
        site.path("run").display()
    );
    let podman = async |arguments: &str, succeeds: bool| {
        run("podman", words(&format!("{base} {arguments}")), succeeds).await
    };
    let image = format!("localhost:{port}/ns/image");
    let login = |password: &'static str, succeeds| {
        let arguments = format!(
            "{base} login --cert-dir {certs} --authfile {auth} --username {USER} --password-stdin localhost:{port}"
        );
        run_with("podman", words(&arguments), password, succeeds)
    };
    login("wrong", false).await;
    login(PASSWORD, true).await;
    // Not `pull oci:…`: podman makes a name of the path, and a temporary directory's has capitals.
    let id = podman(&format!("import {}", site.path("image.tar").display()), true).await;
    let id = String::from_utf8_lossy(&id.stdout).trim().to_owned();
    let access = format!("--cert-dir {certs} --authfile {auth}");
    podman(&format!("push {access} --digestfile {} {id} {image}:v1", site.path("digest").display()), true)
        .await;
    podman(&format!("rmi {id}"), true).await;
    let pushed = std::fs::read_to_string(site.path("digest")).unwrap();
    podman(&format!("pull {access} {image}@{}", pushed.trim()), true).await;
    podman(&format!("pull {access} {image}:none"), false).await;
}
