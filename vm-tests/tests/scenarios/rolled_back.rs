//! A registry that does not get its port: the apply takes everything back, says why, and exits 4; later generations
//! roll back to earlier ones.

use vm_tests::act::Stage;
use vm_tests::binary;
use vm_tests::host_state::{differences, manifest};
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

#[test]
fn generations_go_forth_and_back() {
    let mut machine = Machine::with_podman(Suite::Trixie, "rolled-back").unwrap();
    binary::equip(&mut machine).unwrap();
    let mut stage = Stage::new(machine);
    stage.run("provision apply profiles/podman-host.toml", 0).unwrap();
    let first = manifest(&mut stage.machine).unwrap();
    stage.run("provision apply profiles/bastion.toml", 0).unwrap();
    stage.run("podman login registry.example.test:8443", 0).unwrap();
    stage.run("provision rollback", 0).unwrap();
    let back = manifest(&mut stage.machine).unwrap();
    assert_eq!(differences(&first, &back), Vec::<String>::new());
    // Forward again, without making anything anew: the same authority, the same password.
    stage.run("provision rollback 2", 0).unwrap();
    stage.run("podman login registry.example.test:8443", 0).unwrap();
    // A port that others have, for names that only show when the service starts.
    let taken = "sed -i 's/^port = 8443/port = 8444/' profiles/bastion.toml; \
                 systemd-run --quiet --unit=other --property=Type=exec \
                   openssl s_server -accept 8444 -cert /etc/provision/registry/tls/registry.crt \
                   -key /etc/provision/registry/tls/registry.key; sleep 2; ss -ltn";
    stage.run(taken, 0).unwrap();
    let refused = stage.run("provision apply profiles/bastion.toml", 3).unwrap();
    assert!(refused.contains("8444") && refused.contains("openssl"), "{refused}");
    stage.run("provision status", 0).unwrap();
    stage.run("podman login registry.example.test:8443", 0).unwrap();
    // A registry that is dead behind a unit that runs.
    let ill = stage
        .run("podman pause registry; provision status; ill=$?; podman unpause registry; exit $ill", 2)
        .unwrap();
    assert!(ill.contains("unhealthy") && ill.contains("No drift"), "{ill}");
    stage.run("provision status", 0).unwrap();
    let listed = stage.run("provision generations", 0).unwrap();
    assert!(listed.contains("rollback to 1") && listed.contains("rollback to 2"), "{listed}");
}
