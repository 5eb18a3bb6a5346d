//! Help, completions and manual pages: generated for every command, and complete.

use std::collections::BTreeSet;
use std::fs;

use crate::bench::Bench;

/// All commands, as help itself lists them.
fn commands(bench: &Bench) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut next = 0;
    while let Some(command) = all.get(next).cloned() {
        let help = help(bench, &command);
        let listed = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
        for line in listed.lines().take_while(|line| !line.is_empty()) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                all.push([command.as_slice(), &[name.to_owned()]].concat());
            }
        }
        next += 1;
    }
    assert!(all.len() > 20, "{all:?}");
    all
}

fn help(bench: &Bench, command: &[String]) -> String {
    let ran = bench.run(&[command, &["--help".to_owned()]].concat());
    ran.expect(0).stdout.clone()
}

/// Every `--option` in a text.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
    words.filter(|word| word.len() > 3 && word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn every_command_has_a_page_that_names_its_options() {
    let bench = Bench::new();
    bench.run(&["man", "--output", "pages"]).expect(0).says("pages in");
    let mut written: BTreeSet<String> = fs::read_dir(bench.directory().join("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for command in commands(&bench) {
        let words = [&["provision".to_owned()], command.as_slice()].concat();
        let name = format!("{}.1", words.join("-"));
        let page = fs::read_to_string(bench.directory().join("pages").join(&name)).unwrap();
        // In roff a hyphen is written `\-`, and a word in bold between `\fB` and `\fR`.
        let page = page.replace("\\fB", " ").replace("\\fR", " ").replace('\\', "");
        let missing: Vec<_> = options(&help(&bench, &command)).difference(&options(&page)).cloned().collect();
        assert!(missing.is_empty(), "{name} lacks {missing:?}");
        assert!(page.contains(&words.join("-").to_uppercase()), "{name} has its own title");
        written.remove(&name);
    }
    assert!(written.is_empty(), "pages of commands that help does not list: {written:?}");
    bench.run(&["man"]).expect(0).says(".TH PROVISION 1");
}

#[test]
fn completions_of_every_shell_name_every_option() {
    let bench = Bench::new();
    let wanted: BTreeSet<String> =
        commands(&bench).iter().flat_map(|command| options(&help(&bench, command))).collect();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bench.run(&["completions", shell]).expect(0).stdout.clone();
        // fish writes `-l option`.
        let named = |option: &String| {
            script.contains(option.as_str())
                || script.contains(&format!("-l {}", option.trim_start_matches('-')))
        };
        let missing: Vec<&String> = wanted.iter().filter(|option| !named(option)).collect();
        assert!(missing.is_empty(), "{shell} lacks {missing:?}");
        for hidden in ["relay", "--carried"] {
            assert!(!script.contains(hidden), "{shell} offers {hidden}, which is nothing for people");
        }
    }
    bench.run(&["completions", "tcsh"]).expect(64).complains("possible values: bash");
}

#[test]
fn the_schema_is_that_of_profiles() {
    let bench = Bench::new();
    let schema = bench.run(&["schema"]).expect(0).json();
    for section in ["preflight", "host", "registry", "trust", "pull-secret", "mirror", "redirect"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
}

#[test]
fn pages_come_as_data_too() {
    let bench = Bench::new();
    let pages = bench.run(&["man", "--json"]).expect(0).json();
    assert!(pages["pages"]["provision-apply"].as_str().unwrap().contains(".TH"));
    let script = bench.run(&["completions", "bash", "--json"]).expect(0).json();
    assert!(script["script"].as_str().unwrap().contains("_provision"));
}

#[test]
fn colours_are_as_asked_for() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let plan = |when: &str| {
        let ran = bench.on_root(&["plan", profile.to_str().unwrap(), "--color", when]);
        ran.expect(2).stdout.contains('\x1b')
    };
    assert!(plan("always"));
    assert!(!plan("never"));
    assert!(!plan("auto"), "not to a pipe");
    let error = |when: &str| bench.run(&["apply", "missing.toml", "--color", when]).stderr.contains('\x1b');
    assert!(error("always") && !error("never") && !error("auto"));
}
