//! One declared target has one state id, whatever the distribution, directory, locale, time zone, umask or file times.

use serde_json::Value;
use vm_tests::binary;
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

const PROFILE: &str = r#"schema = 1
name = "target"
imports = ["banner.toml"]

[host]
hostname = "state.example.test"
addresses = { "state.example.test" = ["127.0.0.1"] }

[[host.file]]
path = "/etc/provision-test/secret.conf"
content = "grüße\n"
mode = "0600"
"#;

const BANNER: &str = r#"schema = 1

[[host.file]]
path = "/etc/motd"
content = "of the disconnected site\n"
"#;

/// The state id of the plan, and the one that is in force after it was applied.
fn ids(suite: Suite, directory: &str, settings: &str) -> (String, String) {
    let mut machine = Machine::fresh(suite, &format!("state-id-{}", suite.name())).unwrap();
    binary::equip(&mut machine).unwrap();
    let lay_out = format!(
        "mkdir -p {directory} && cd {directory} && cat >target.toml <<'END' && cat >banner.toml <<'END2'\n{PROFILE}END\n{BANNER}END2"
    );
    machine.run(&lay_out).unwrap();
    let mut ask = |command: &str, status: i64| -> Value {
        let ran = machine.try_run(&format!("cd {directory} && {settings} && {command} 2>/dev/null")).unwrap();
        assert_eq!(ran.status, status, "{}", ran.output);
        serde_json::from_str(&ran.output).unwrap()
    };
    let planned = ask("provision plan --json target.toml", 2);
    let applied = ask("provision apply --json target.toml", 0);
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    (id(&planned["state_id"]), id(&applied["report"]["state_id"]))
}

#[test]
fn two_distributions_have_one_id_for_one_target() {
    let here = ids(Suite::Trixie, "/root/site", "export TZ=Pacific/Auckland LC_ALL=C && umask 077");
    let there = ids(
        Suite::Bookworm,
        "/srv/elsewhere/deep",
        "touch -d 1999-01-01 *.toml && export TZ=America/Lima LC_ALL=C.UTF-8 && umask 0",
    );
    assert_eq!(here, there);
    assert_eq!(here.0, here.1);
}
