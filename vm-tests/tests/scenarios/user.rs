//! A user with passwordless sudo does it all; SSH keys and a login are checked; one without sudo is told what to do.

use vm_tests::act::Stage;
use vm_tests::binary;
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

#[test]
fn a_user_with_sudo_provisions_and_one_without_is_told() {
    let mut machine = Machine::with_podman(Suite::Bookworm, "user").unwrap();
    binary::equip(&mut machine).unwrap();
    let mut stage = Stage::new(machine);
    stage
        .run(
            "useradd --create-home --shell /bin/sh core; useradd --create-home --shell /bin/sh guest; \
             echo 'core ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/core; chmod 755 /root; \
             cp -r profiles /home/core/; cp -r profiles /home/guest/; chown -R core: /home/core; chown -R guest: /home/guest",
            0,
        )
        .unwrap();
    let refused = stage.run("su - guest -c 'provision apply profiles/podman-host.toml'", 1).unwrap();
    assert!(refused.contains("sudo"), "{refused}");
    stage.run("su - guest -c 'provision check profiles/podman-host.toml'", 3).unwrap();
    // Keys: none yet, then a pair that may log in.
    stage
        .run(
            "sed -i 's/^sudo = .*/sudo = \"passwordless\"\\nssh = { keys = true, login = \"core@localhost\" }\\nrootless = \"core\"/' /home/core/profiles/podman-host.toml",
            0,
        )
        .unwrap();
    let refused = stage.run("su - core -c 'provision check profiles/podman-host.toml'", 3).unwrap();
    for finding in ["ssh-keys", "ssh-login:core@localhost", "linger:core"] {
        assert!(refused.contains(finding), "{finding} is not told:\n{refused}");
    }
    stage.run("loginctl enable-linger core", 0).unwrap();
    stage
        .run(
            "su - core -c 'mkdir --mode=700 .ssh && ssh-keygen -q -t ed25519 -N \"\" -f .ssh/id_ed25519 && cp .ssh/id_ed25519.pub .ssh/authorized_keys && \
             chmod 600 .ssh/authorized_keys && (echo -n \"localhost \"; cat /etc/ssh/ssh_host_ed25519_key.pub) >.ssh/known_hosts'",
            0,
        )
        .unwrap();
    stage.run("su - core -c 'provision check profiles/podman-host.toml'", 0).unwrap();
    stage.run("su - core -c 'provision apply profiles/podman-host.toml'", 0).unwrap();
    // What is made new in a user's home is theirs.
    let wanted = r#"
cd /home/core/profiles
echo '{"auths":{"registry.example.test:5000":{"auth":"dTpw"}}}' >base.json
chmod 600 base.json; chown core: base.json
cat >>podman-host.toml <<END

[pull-secret]
base = "base.json"
write = ["/home/core/.config/containers/auth.json"]
END
su - core -c 'provision apply profiles/podman-host.toml'
"#;
    stage.run(wanted, 0).unwrap();
    let owners = stage
        .run("stat -c %U /home/core/.config/containers /home/core/.config/containers/auth.json", 0)
        .unwrap();
    assert_eq!(owners.lines().collect::<Vec<_>>(), ["core", "core"], "{owners}");
    let listed = stage.run("provision generations", 0).unwrap();
    assert!(listed.contains("core"), "who asked is not told:\n{listed}");
}
