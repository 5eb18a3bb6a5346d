//! One guest changes another over the only network there is between them: an older distribution with an older C library and
//! no Python, which has never seen provision.

use vm_tests::act::Stage;
use vm_tests::binary;
use vm_tests::host_state::{differences, manifest};
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

const PROFILE: &str = r#"
schema = 1
name = "small"
[host]
hostname = "changed.example.test"
addresses = { "changed.example.test" = ["10.77.0.2"] }
[[host.file]]
path = "/etc/motd"
source = "motd"
"#;

#[test]
fn a_guest_changes_another_one_over_ssh() {
    let [mut here, mut there] =
        Machine::pair(Suite::Trixie, Suite::Bookworm, ["remote-from-debian-13", "remote-to-debian-12"])
            .unwrap();
    binary::equip(&mut here).unwrap();
    let key = here.run("cat /root/.ssh/id_ed25519.pub").unwrap();
    let host_key = there.run("cat /etc/ssh/ssh_host_ed25519_key.pub").unwrap();
    there
        .run(&format!(
            "! command -v python3 && ! command -v provision && useradd --create-home core && \
             echo 'core ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/core && mkdir -m 700 /home/core/.ssh && \
             echo '{key}' | tee /root/.ssh/authorized_keys >/home/core/.ssh/authorized_keys && chown -R core: /home/core"
        ))
        .unwrap();
    here.run(&format!("cat >small.toml <<'END'\n{PROFILE}\nEND\necho changed from afar >motd")).unwrap();
    let before = manifest(&mut there).unwrap();
    let (mut here, mut there) = (Stage::new(here), Stage::new(there));

    let refused = here.run("provision check small.toml --target root@10.77.0.2", 1).unwrap();
    assert!(refused.contains("its host key is not known"), "{refused}");
    here.run(&format!("echo '10.77.0.2 {host_key}' >>/root/.ssh/known_hosts"), 0).unwrap();
    here.run("provision check small.toml --target root@10.77.0.2", 0).unwrap();
    let plan = here.run("provision plan small.toml --target root@10.77.0.2", 2).unwrap();
    assert!(plan.contains("changed from afar") && !plan.contains("gets this provision"), "{plan}");
    here.run("provision apply small.toml --target root@10.77.0.2", 0).unwrap();
    there
        .run("grep afar /etc/motd && grep changed.example.test /etc/hosts && hostname | grep changed", 0)
        .unwrap();
    here.run("provision status --target root@10.77.0.2", 0).unwrap();

    // The same as a user who becomes root through sudo, and without sudo.
    let again = here.run("provision apply small.toml --target core@10.77.0.2", 0).unwrap();
    assert!(again.contains("Nothing to do"), "{again}");
    there.run("rm /etc/sudoers.d/core", 0).unwrap();
    let refused = here.run("provision destroy --target core@10.77.0.2", 1).unwrap();
    assert!(refused.contains("password") && refused.contains("hint: "), "{refused}");
    there.run("echo 'core ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/core", 0).unwrap();
    here.run("provision destroy --target core@10.77.0.2", 0).unwrap();

    // Nothing is left but the binary.
    there
        .run("find /tmp -name 'provision*' | grep . && exit 1; ls -R /root/.cache /home/core/.cache", 0)
        .unwrap();
    there.run("rm -r /root/.cache /home/core/.cache", 0).unwrap();
    // A user's own units stay for a while after the last connection.
    there
        .run(
            "loginctl terminate-user root core; \
             while systemctl list-units --no-legend | grep --quiet 'user@\\|run-user\\|user-runtime-dir@'; do sleep 1; done",
            0,
        )
        .unwrap();
    let after = manifest(&mut there.machine).unwrap();
    assert_eq!(differences(&before, &after), Vec::<String>::new());
}
