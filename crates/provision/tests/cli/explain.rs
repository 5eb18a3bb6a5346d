//! `provision explain`: from the line of the profile to the next step.

use std::fs;

use serde_json::json;

use crate::bench::Bench;

#[test]
fn a_resource_is_explained_from_its_line_to_its_undo() {
    let bench = Bench::new();
    bench.write("base.toml", format!("schema = 1\n{}", bench.file("/etc/motd", "of the base\n")));
    let own = "imports = [\"base.toml\"]\n[vars]\nsite = \"north\"\n\
               [[host.file]]\npath = \"/etc/motd\"\ncontent = \"at ${var.site}\\n\"\n";
    let profile = bench.profile("own", own);
    let profile = profile.to_str().unwrap();
    let explain = |more: &[&str]| bench.on_root(&[&["explain", profile, "file:/etc/motd"], more].concat());
    let dir = bench.directory();
    let (own, base) = (dir.join("own.toml"), dir.join("base.toml"));
    let ran = explain(&["--set", "site=south"]);
    ran.expect(0).says("file:/etc/motd [host]");
    ran.says(&format!("{}:8  host.file[0].content = \"at south\\n\"", own.display()));
    ran.says(&format!("instead of {}:4  \"of the base\\n\"", base.display()));
    ran.says("from --set:1  vars.site = \"south\"")
        .says(&format!("instead of {}:5  \"north\"", own.display()));
    ran.says(&format!("{}:5  host.file[0].owner", base.display()));
    ran.says("now      nothing")
        .says("change   new: nothing is there")
        .says("undo     exact")
        .says("+at south");

    bench.on_root(&["apply", profile]).expect(0);
    explain(&[]).expect(0).says("at north").says("change   none: it is as wanted").says("before   nothing");
    fs::write(bench.at("/etc/motd"), "somebody's\n").unwrap();
    explain(&[]).expect(0).says("change   drift: the host changed without us").says("-somebody's");
    let json = explain(&["--json"]).expect(0).json();
    assert_eq!((&json["change"]["why"], &json["change"]["undo"]), (&json!("drift"), &json!("exact")));
    let content =
        json["set_by"].as_array().unwrap().iter().find(|said| said["key"] == "host.file[0].content").unwrap();
    assert_eq!((&content["file"], &content["line"]), (&json!(own), &json!(8)));
    assert_eq!((&content["over"][0]["file"], &content["over"][0]["line"]), (&json!(base), &json!(4)));
    bench.profile("own", "");
    explain(&[]).expect(0).says("wanted   no longer declared").says("change   removed: ");
}

#[test]
fn what_is_no_resource_is_answered_with_what_was_meant() {
    let bench = Bench::new();
    let body = format!(
        "[host]\naddresses = {{ \"r.example.test\" = [\"192.0.2.1\"] }}\n{}",
        bench.file("/etc/motd", "x\n")
    );
    let profile = bench.profile("motd", &body);
    let profile = profile.to_str().unwrap();
    let check = |typed: &str, hint: &str| {
        bench
            .on_root(&["explain", profile, typed])
            .expect(64)
            .complains(&format!("has no resource {typed:?}"))
            .complains(hint);
    };
    check("/etc/motd", "did you mean file:/etc/motd?");
    check("file:/etc/mtod", "did you mean file:/etc/motd?");
    check("/etc/hosts", "did you mean file:/etc/hosts#provision?");
    check("unit:sshd.service", "hint: without an id, provision explain PROFILE lists all of them");
    let ran = bench.on_root(&["explain", profile]);
    ran.expect(0)
        .says("file:/etc/motd [host, ")
        .says("motd.toml:6]")
        .says("file:/etc/hosts#provision [host, ");
    let json = bench.on_root(&["explain", profile, "--json"]).expect(0).json();
    assert!(
        json["resources"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["id"] == "file:/etc/motd" && one["line"] == 6)
    );
    assert!(!bench.at("/var/lib/provision").exists(), "to explain changes nothing");
}
