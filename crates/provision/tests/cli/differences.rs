//! `provision diff`: what differs between generations and to what was there before, in words and as data.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use provision_trust_store::{Authority, KeyKind};
use serde_json::json;

use crate::bench::Bench;

#[test]
fn two_generations_are_compared_from_what_the_host_keeps() {
    let bench = Bench::new();
    fs::write(bench.at("/etc/issue"), "from before\n").unwrap();
    let first = bench.file("/etc/motd", "one\nsame\n") + &bench.file("/etc/gone", "bye\n");
    let second = bench.file("/etc/motd", "two\nsame\n")
        + "mode = \"0600\"\n"
        + &bench.file("/etc/issue", "ours\n")
        + "mode = \"0600\"\n";
    for (name, body) in [("first", first), ("second", second)] {
        let profile = bench.profile(name, &body);
        bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
        fs::remove_file(profile).unwrap();
    }
    // The host itself is not asked.
    fs::write(bench.at("/etc/motd"), "drifted\n").unwrap();

    let ran = bench.on_root(&["diff", "1", "2"]);
    ran.expect(0)
        .says("-one\n    +two\n     same")
        .says("3 differences between generation 1 and generation 2");
    ran.says("~ file:/etc/motd file 0644 ").says(" → file 0600 ");
    ran.says("- file:/etc/gone file 0644 ")
        .says(" → not declared [host]")
        .says("-bye")
        .says("+ file:/etc/issue file 0600");
    assert_eq!(bench.on_root(&["diff", "1"]).expect(0).stdout, ran.stdout, "to the one in force");
    bench.on_root(&["diff", "2", "1"]).expect(0).says("+one").says("- file:/etc/issue");
    bench.on_root(&["diff", "2"]).expect(0).says("No difference between generation 2 and generation 2.");
    let ran = bench.on_root(&["diff", "baseline"]);
    ran.expect(0)
        .says("-from before\n    +ours")
        .says("+ file:/etc/motd")
        .says("2 differences between baseline and");
    let json = bench.on_root(&["diff", "1", "2", "--json"]).expect(0).json();
    assert_eq!((&json["from"], &json["to"]), (&json!("generation 1"), &json!("generation 2")));
    assert_eq!(json["differences"][0]["id"], json!("file:/etc/gone"));
    assert_eq!(json["differences"][2]["difference"]["kind"], json!("text"));

    bench
        .on_root(&["diff", "1", "9"])
        .expect(64)
        .complains("there is no generation 9\nhint: generations that can be");
    bench
        .on_root(&["diff", "one"])
        .expect(64)
        .complains("expected the number of a generation, or `baseline`");
    bench.on_root(&["gc", "--keep", "1"]).expect(0);
    bench.on_root(&["diff", "1"]).expect(64).complains("generation 1 was removed");
    bench.on_root(&["diff", "baseline"]).expect(0).says("-from before");
}

#[test]
fn certificates_are_told_with_the_day_they_expire() {
    let bench = Bench::new();
    for (name, days) in [("old", 10), ("new", 400)] {
        let authority = Authority::generate("site CA", KeyKind::EcdsaP256, SystemTime::now(), days).unwrap();
        let pem = authority.certificate().to_pem().unwrap();
        let pem = String::from_utf8_lossy(&pem).into_owned();
        let profile = bench.profile(name, &bench.file("/etc/site-ca.crt", &pem));
        bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
    }
    let ran = bench.on_root(&["diff", "1", "2"]);
    ran.expect(0).says("- authority CN=site CA, expires 2").says("(in 9 days)").says("(in 399 days)");
    ran.never_shows("BEGIN CERTIFICATE");
    let json = bench.on_root(&["diff", "1", "2", "--json"]).expect(0).json();
    let certificates = &json["differences"][0]["certificates"];
    assert_eq!((&certificates["from"][0]["days"], &certificates["to"][0]["days"]), (&json!(9), &json!(399)));
}

#[test]
fn what_only_its_owner_may_read_is_not_compared_in_public() {
    let bench = Bench::new();
    let key = bench.at("/etc/key");
    fs::write(&key, "canary\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let profile = bench.profile("key", &bench.file("/etc/key", "public\n"));
    bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
    bench.on_root(&["diff", "baseline"]).expect(0).says("(secret)").never_shows("canary");
    bench.on_root(&["diff", "1", "baseline", "--json"]).expect(0).never_shows("canary");
}

#[test]
fn a_host_without_generations_has_nothing_to_compare() {
    let bench = Bench::new();
    bench
        .on_root(&["diff", "baseline"])
        .expect(64)
        .complains("there is no generation to compare with\nhint: ");
}
