//! What can be typed. Knows words and defaults, not what they do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::supply::Supply;

const GLOBAL: &str = "Options of every command";
const AFTER: &str = "\
First steps:
  provision check PROFILE    what stands in the way, with remedies
  provision plan PROFILE     what would change
  provision apply PROFILE    change it, prove it, remember it
  provision status           what is in force, and what has drifted

Exit codes:
  0 done, or nothing to do            4 unhealthy after the change: taken back
  1 failed, nothing changed           5 failed half-way: the next run takes it back
  2 changes pending, or drift         6 the host changed under us
  3 refused by preflight              7 locked by another run
  64 the command line or the profile is wrong, or it is not built yet";

/// Bring a host to a declared state, prove it, remember it, and go back.
#[derive(Debug, Parser)]
#[command(name = "provision", version, max_term_width = 110, arg_required_else_help = true, after_help = AFTER)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Work on the root file system in DIR instead of the running system
    #[arg(long, global = true, value_name = "DIR", default_value = "/", hide_default_value = true, help_heading = GLOBAL)]
    pub root: PathBuf,
    /// Print the result as one JSON object on standard output
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// Use colours: auto (on terminals), always, never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = Colour::Auto,
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = GLOBAL
    )]
    pub color: Colour,
    /// Wait this long for another run that changes the host: 60s, 5m
    #[arg(long, global = true, value_name = "TIME", value_parser = span, help_heading = GLOBAL)]
    pub wait: Option<Duration>,
    /// Work on another host over SSH; it needs no provision of its own
    #[arg(id = "remote", long = "target", global = true, value_name = "USER@HOST", help_heading = GLOBAL)]
    pub target: Option<String>,
    /// With --target: trust the key of a host that was never seen before
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub accept_new_host_key: bool,
    /// The profile comes on standard input: how provision calls itself on a target
    #[arg(id = "bundle", long = "carried", global = true, hide = true)]
    pub carried: bool,
    /// Where profiles are read from.
    #[arg(skip)]
    pub supply: Supply,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On terminals.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A profile and the values laid over its variables.
#[derive(Debug, Clone, Args)]
pub struct ProfileArgs {
    /// The profile: a TOML file that declares one host
    pub profile: PathBuf,
    /// Set a variable of the profile
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
}

/// A span of time as people write it: `90`, `60s`, `5m`, `1h`.
fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    // A day is more than anybody waits, and keeps sums of times in their bounds.
    match seconds.filter(|seconds| (1..=86_400).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("expected a time between 1s and 24h, such as 60s or 5m".to_owned()),
    }
}

/// Whether a change counts only once somebody confirms it.
#[derive(Debug, Clone, Args)]
pub struct ConfirmArgs {
    /// Take everything back unless `provision confirm` comes within TIME, from a new SSH connection. Over SSH this is
    /// so anyway, with 2m, when a step touches SSH, the firewall or the network
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub confirm: Option<Duration>,
    /// Ask for no confirmation, whatever is touched
    #[arg(long, conflicts_with = "confirm")]
    pub no_confirm: bool,
}

/// How the events of a long command are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventFormat {
    /// One JSON object a line, on standard error.
    Ndjson,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check whether a profile can be applied here: every finding, with its remedy
    Check(ProfileArgs),
    /// Show what an apply would change, and change nothing
    Plan {
        /// The profile.
        #[command(flatten)]
        profile: ProfileArgs,
        /// First note in the lock what the profile names and the lock lacks
        #[arg(long)]
        update_lock: bool,
        /// Save the plan as well: `provision apply FILE` does exactly this, once, on this host
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Bring the host to the profile's state, prove it, and commit a generation
    Apply {
        /// The profile, or a saved plan.
        #[command(flatten)]
        profile: ProfileArgs,
        /// First note in the lock what the profile names and the lock lacks
        #[arg(long)]
        update_lock: bool,
        /// Whether it has to be confirmed.
        #[command(flatten)]
        confirm: ConfirmArgs,
        /// Show events in a form for programs
        #[arg(long, value_enum, value_name = "FORMAT")]
        events: Option<EventFormat>,
    },
    /// Note beside a profile what its names stand for now, exactly
    ///
    /// Writes PROFILE with the ending `.lock`. Entries that are there stay; what is missing is looked up, and what the
    /// profile no longer names is dropped. Keep the lock with the profile: `plan` and `apply` go by it.
    Lock(crate::command::lock::LockArgs),
    /// Confirm the generation that waits for it, from a new SSH connection
    Confirm,
    /// Show the generation in force: drift, health, expiry of certificates
    Status {
        /// A profile: what it would change is shown as well, apart from drift
        profile: Option<PathBuf>,
        /// Set a variable of the profile
        #[arg(long = "set", value_name = "NAME=VALUE", requires = "profile")]
        settings: Vec<String>,
    },
    /// Say why a resource is as it is, and why it changes
    ///
    /// Without an ID, all resources of the profile are listed, each with the line that it comes from.
    Explain {
        /// The profile.
        #[command(flatten)]
        profile: ProfileArgs,
        /// The resource, such as `file:/etc/hosts#provision` or `unit:registry.service`
        id: Option<String>,
    },
    /// List the generations: what was applied, when, by whom, and how it ended
    Generations,
    /// Show what differs between two generations, or to what was there before provision
    ///
    /// Compares what they declare, from what the host itself keeps: files as unified diffs, certificates with the day they
    /// expire, secrets not at all. That they differ is no failure.
    Diff(crate::command::diff::DiffArgs),
    /// Prove that nothing that provision keeps of this host was changed or lost
    ///
    /// Follows the chain from the generation in force back to the first, hashes the files of every generation that is
    /// kept, the baseline, and all bytes that these need, and names everything that is not as it was written down. The
    /// head that it prints stands for the whole past: note it elsewhere to compare it one day.
    VerifyLog,
    /// Go back to a generation: the one before, or the one named
    Rollback {
        /// The generation's number
        generation: Option<u64>,
        /// Whether it has to be confirmed.
        #[command(flatten)]
        confirm: ConfirmArgs,
        /// Show events in a form for programs
        #[arg(long, value_enum, value_name = "FORMAT")]
        events: Option<EventFormat>,
    },
    /// Remove old generations, and the bytes that nothing needs any more
    ///
    /// A generation that either rule keeps stays, and so do the one in force and everything that destroy needs. With
    /// neither rule, the 10 newest are kept and those of the last 30 days. Of what is removed the report stays, so that
    /// verify-log can still prove the past; lost+found is not touched.
    Gc(crate::command::gc::GcArgs),
    /// Take back everything that provision did to this host; data stays
    Destroy {
        /// Whether it has to be confirmed.
        #[command(flatten)]
        confirm: ConfirmArgs,
        /// Show events in a form for programs
        #[arg(long, value_enum, value_name = "FORMAT")]
        events: Option<EventFormat>,
    },
    /// Finish or take back what a run left half-done that was cut off
    Recover {
        /// Show events in a form for programs
        #[arg(long, value_enum, value_name = "FORMAT")]
        events: Option<EventFormat>,
        /// As the unit does that runs this at a boot: queue what is started, wait for none of it
        #[arg(long, hide = true)]
        at_boot: bool,
        /// As the timer does of an apply that has to be confirmed: wait until there is something to take back
        #[arg(long, hide = true, conflicts_with = "at_boot")]
        when_due: bool,
    },
    /// Mirror images and OpenShift releases between registries and media
    #[command(subcommand)]
    Mirror(crate::command::mirror::MirrorCommand),
    /// Edit and look into pull secrets and other files of registry credentials
    #[command(subcommand)]
    PullSecret(crate::command::pull_secret::PullSecretCommand),
    /// Serve a registry from a directory
    #[command(subcommand)]
    Registry(crate::command::registry::RegistryCommand),
    /// Print the JSON Schema of a profile, for editors
    Schema,
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of all commands to a directory
    Man {
        /// Write one page per command into DIR, which is made when it is missing
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Be the other side of --target: how provision calls itself on a target
    #[command(hide = true)]
    Relay,
    /// Make and judge certificates
    #[command(hide = true)]
    Trust(NotBuilt),
}

/// What a command is to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It changes one.
    Changes,
    /// It looks at one.
    Reads,
    /// It works on files and registries, and knows no host.
    Elsewhere,
}

impl Command {
    /// The name of a command whose events are wanted as a stream.
    pub fn streams(&self) -> Option<&'static str> {
        match self {
            Self::Apply { events: Some(EventFormat::Ndjson), .. } => Some("apply"),
            Self::Rollback { events: Some(EventFormat::Ndjson), .. } => Some("rollback"),
            Self::Destroy { events: Some(EventFormat::Ndjson), .. } => Some("destroy"),
            Self::Recover { events: Some(EventFormat::Ndjson), .. } => Some("recover"),
            _ => None,
        }
    }

    /// What the command is to a host.
    pub fn reach(&self) -> Reach {
        match self {
            Self::Apply { .. }
            | Self::Rollback { .. }
            | Self::Destroy { .. }
            | Self::Recover { .. }
            | Self::Confirm
            | Self::Gc(_) => Reach::Changes,
            Self::Check(_)
            | Self::Plan { .. }
            | Self::Status { .. }
            | Self::Generations
            | Self::VerifyLog
            | Self::Diff(_)
            | Self::Explain { .. } => Reach::Reads,
            Self::Mirror(_)
            | Self::PullSecret(_)
            | Self::Registry(_)
            | Self::Schema
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Relay
            | Self::Lock(_)
            | Self::Trust(_) => Reach::Elsewhere,
        }
    }

    /// The profile that the command is about, if there is one.
    pub fn profile(&self) -> Option<ProfileArgs> {
        match self {
            Self::Check(profile)
            | Self::Plan { profile, .. }
            | Self::Apply { profile, .. }
            | Self::Explain { profile, .. } => Some(profile.clone()),
            Self::Status { profile, settings } => {
                Some(ProfileArgs { profile: profile.clone()?, settings: settings.clone() })
            }
            _ => None,
        }
    }
}

/// Whatever is given to a command that is not built yet.
#[derive(Debug, Clone, Args)]
pub struct NotBuilt {
    #[arg(num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn spans_of_time() {
        for (text, expected) in [
            ("60s", Some(60)),
            ("90", Some(90)),
            ("5m", Some(300)),
            ("2min", Some(120)),
            ("24h", Some(86_400)),
            ("0s", None),
            ("25h", None),
            ("1d", None),
            ("s", None),
            ("-5s", None),
            ("", None),
            ("99999999999999999999h", None),
            ("é", None),
        ] {
            assert_eq!(span(text).ok(), expected.map(Duration::from_secs), "{text}");
        }
    }

    /// clap finds out only when such a command runs, by a panic.
    #[test]
    fn no_argument_of_a_command_has_the_id_of_a_global_option() {
        fn check(command: &clap::Command, globals: &[String]) {
            for argument in command.get_arguments().map(|argument| argument.get_id().to_string()) {
                assert!(!globals.contains(&argument), "{}: {argument}", command.get_name());
            }
            for below in command.get_subcommands() {
                check(below, globals);
            }
        }
        let cli = Cli::command();
        let globals: Vec<String> =
            cli.get_arguments().map(|argument| argument.get_id().to_string()).collect();
        assert!(globals.contains(&"json".to_owned()));
        for command in cli.get_subcommands() {
            check(command, &globals);
        }
    }
}
