//! A profile that declares a release: `apply` brings it from media, once, and nothing is missing when the media are gone.

use vm_tests::act::Stage;
use vm_tests::image::Suite;
use vm_tests::machine::Machine;
use vm_tests::{binary, media};

#[test]
fn apply_mirrors_the_release_that_the_profile_declares() {
    let mut machine = Machine::with_podman(Suite::Trixie, "mirrored").unwrap();
    let directory = tempfile::tempdir().unwrap();
    binary::lay_out(directory.path()).unwrap();
    let carried = media::release(&directory.path().join("media")).unwrap();
    machine.push(directory.path(), "/").unwrap();
    let mut stage = Stage::new(machine);
    let declared = format!(
        "cat >profiles/site.toml <<'E'\nschema = 1\nname = \"site\"\nimports = [\"bastion.toml\"]\n\
         [[mirror.release]]\nimage = \"{}\"\nmedia = \"/media\"\nE\n",
        carried.release
    );
    stage.run(&declared, 0).unwrap();
    // A tag is not exact: what it stands for on these media is noted first.
    stage.run("provision plan profiles/site.toml", 64).unwrap();
    stage.run("provision lock profiles/site.toml", 0).unwrap();
    let planned = stage.run("provision plan profiles/site.toml", 2).unwrap();
    assert!(planned.contains("content:"), "{planned}");
    stage.run("provision apply profiles/site.toml", 0).unwrap();
    stage.run(&format!("podman pull --quiet {}", carried.component), 0).unwrap();
    let again = stage.run("provision apply profiles/site.toml", 0).unwrap();
    assert!(again.contains("Nothing to do"), "{again}");
    stage.run("rm -r /media/*", 0).unwrap();
    let without = stage.run("provision apply profiles/site.toml", 0).unwrap();
    assert!(without.contains("Nothing to do"), "{without}");
    // What was mirrored is data: it outlives the host's being taken back, and serves again.
    stage.run("provision destroy", 0).unwrap();
    let back = stage.run("provision apply profiles/site.toml", 0).unwrap();
    assert!(back.contains("commit generation"), "{back}");
    let anew = format!("podman image rm {0} && podman pull --quiet {0}", carried.component);
    stage.run(&anew, 0).unwrap();
    stage.run("provision status", 0).unwrap();
}
