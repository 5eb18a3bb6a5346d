//! What has to come along with a profile to another host: all that making things of it asks for.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use provision_profile::{Supplies, load};

/// The supplies of a profile in `/p`, with files beside it that any profile here can name.
fn supplies(body: &str) -> Supplies {
    let text = format!("schema = 1\nname = \"x\"\n[host]\nhostname = \"r.x\"\n{body}");
    let read = |path: &Path| match path.to_str().unwrap() {
        "/p/x.toml" => Ok(text.clone().into_bytes()),
        "/p/ps.json" => Ok(b"{\"auths\":{\"quay.io\":{\"auth\":\"dTpw\"}}}".to_vec()),
        "/p/own.pem" | "/p/ca.pem" => Ok(b"-----BEGIN CERTIFICATE-----\n".to_vec()),
        _ => Err(ErrorKind::NotFound.into()),
    };
    load(Path::new("/p/x.toml"), &[], &read).unwrap().supplies()
}

fn registry(password: &str) -> String {
    format!("[registry]\nbackend = \"embedded\"\nadmin = {{ user = \"init\", password = {password} }}\n")
}

fn files(paths: &[&str]) -> BTreeSet<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

#[test]
fn every_kind_of_secret_is_told() {
    assert_eq!(supplies(""), Supplies::default());
    assert_eq!(supplies(&registry("{ generate = 32 }")), Supplies::default());
    assert_eq!(supplies(&registry("{ file = \"../pw\" }")).files, files(&["/pw"]));
    assert_eq!(supplies(&registry("{ env = \"PW\" }")).variables, BTreeSet::from(["PW".to_owned()]));
    let credential = supplies(&registry("{ credential = \"pw\" }"));
    assert_eq!(credential.credentials, BTreeSet::from(["pw".to_owned()]));
}

#[test]
fn every_file_that_is_read_late_is_told() {
    let admin = "admin = { user = \"init\", password = { generate = 32 } }\n";
    let archive = format!("[registry]\nbackend = \"distribution\"\narchive = \"d.tar\"\n{admin}");
    assert_eq!(supplies(&archive).files, files(&["/p/d.tar"]));
    let pair = "[trust]\ncertificate = \"own.pem\"\ncertificate-key = \"own.key\"\nanchors = [\"ca.pem\"]\n";
    assert_eq!(supplies(&(registry("{ generate = 32 }") + pair)).files, files(&["/p/own.key"]));
    let base = "[pull-secret]\nbase = \"ps.json\"\nwrite = [\"/root/auth.json\"]\n";
    assert_eq!(supplies(base).files, files(&["/p/ps.json"]));
}
