//! Every command that the README shows is one that the binary understands.

use std::fs;
use std::path::Path;

use crate::bench::Bench;

/// The lines of code blocks that run `provision`, as words after its name.
fn shown(text: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut all = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            continue;
        }
        let line = line.trim_start_matches(['$', '#', ' ']);
        let line = line.trim_start_matches("sudo ");
        let words = line.strip_prefix("provision ").filter(|_| inside);
        all.extend(words.map(|words| {
            let end =
                |word: &&str| !word.starts_with('#') && !["|", "<", ">", "&&", "2>", "\\"].contains(word);
            words.split_whitespace().take_while(end).map(str::to_owned).collect()
        }));
    }
    all
}

#[test]
fn every_command_of_the_readme_is_understood() {
    let bench = Bench::new();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let commands = shown(&fs::read_to_string(readme).unwrap());
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        // What is wrong before `--help` is reported first.
        let ran = bench.run(&[command.as_slice(), &["--help".to_owned()]].concat());
        ran.expect(0).says("Usage: provision");
    }
}

#[test]
fn commands_are_found_in_code_blocks_only() {
    let text = "provision is a tool\n```\n$ sudo provision apply x.toml   # comment\nprovision status | cat\n```\nprovision it\n";
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(shown(text), [words(&["apply", "x.toml"]), words(&["status"])]);
}
