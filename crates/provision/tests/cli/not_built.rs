//! What is designed and not built says so, exits with 64, and tells what to do instead.

use crate::bench::Bench;

#[test]
fn what_is_not_built_says_so() {
    let bench = Bench::new();
    let before = bench.tree();
    let commands: [&[&str]; 1] = [&["trust", "show", "--anything"]];
    for command in commands {
        let ran = bench.on_root(command);
        ran.expect(64).complains("not built yet\nhint: ");
        assert_eq!(ran.stdout, "");
    }
    assert_eq!(bench.tree(), before);
    bench.run(&["--help"]).expect(0).never_shows("Make and judge certificates").never_shows("--carried");
}
