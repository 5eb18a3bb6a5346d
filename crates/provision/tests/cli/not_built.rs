//! What is designed and not built says so, exits with 64, and tells what to do instead.

use crate::bench::Bench;

#[test]
fn what_is_not_built_says_so() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let profile = profile.to_str().unwrap();
    let saved = bench.write("plan.json", "{ \"schema\": 1, \"steps\": [] }\n");
    let before = bench.tree();
    let commands: [&[&str]; 4] = [
        &["explain", profile, "file:/etc/motd"],
        &["trust", "show", "--anything"],
        &["plan", profile, "--output", "plan.json"],
        &["apply", saved.to_str().unwrap()],
    ];
    for command in commands {
        let ran = bench.on_root(command);
        ran.expect(64).complains("not built yet\nhint: ");
        assert_eq!(ran.stdout, "");
    }
    assert_eq!(bench.tree(), before);
    bench.run(&["--help"]).expect(0).never_shows("explain").never_shows("--carried");
}
