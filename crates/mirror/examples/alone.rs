//! Uses the crate alone: brings what a directory holds into a registry on this machine, and prints the mirror set.
//!
//! `cargo run -p provision-mirror --example alone -- DIR localhost:PORT/REPOSITORY [--go]`
//!
//! The directory is one that `provision mirror save` or `oc adm release mirror --to-dir` wrote. Without `--go` it only
//! says what there is to do; without arguments it prints a mirror set.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;

use provision_mirror::{Event, Kind, MirrorSet, Redirect, Selection, Source, Target, copy, expand};
use provision_oci::client::{Options, by_c_library};
use provision_oci::{Reference, Registry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, target, rest @ ..] = arguments.as_slice() else {
        let redirect = Redirect {
            source: "quay.io/openshift-release-dev/ocp-release".into(),
            mirror: "registry.example.test:8443/ocp4/openshift4".into(),
        };
        print!("{}", MirrorSet::new([redirect]).resource(Kind::Idms, "example"));
        return Ok(());
    };
    let target: Reference = target.parse()?;
    let options = Options { plain_http: true, ..Options::new(by_c_library) };
    let registry = Target::Registry(Registry::new(&target.registry, &options)?);
    let source = Source::open(Path::new(directory)).await?;
    let tell = |event: Event| {
        if let Event::Copied { image, digest } = event {
            println!("{digest} {image}");
        }
    };
    for root in source.roots().await? {
        let selection = Selection { image: root.reference.parse()?, release: root.release };
        let work = expand(&source, &selection, Some(&target.repository), None).await?;
        let summary = copy(&source, &registry, &work, rest.is_empty(), &tell).await?;
        println!("{}: {summary:?}", root.reference);
        print!("{}", MirrorSet::of(&work, &target.name()).resource(Kind::Idms, "example"));
    }
    Ok(())
}
