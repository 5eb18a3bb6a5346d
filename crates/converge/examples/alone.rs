//! Brings a directory to a declared state, shows that a second apply has nothing to do, and takes it all back.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use provision_converge::{
    Applied, Desired, Engine, Event, FileState, Request, Resource, ResourceId, STATE_DIRECTORY, State, Vault,
};
use provision_host::{Family, Host};

fn main() -> Result<(), Box<dyn Error>> {
    // Below another root nothing of the running system is touched.
    let directory = tempfile::tempdir()?;
    let host = Host::with_root(directory.path())?;
    let vault = Vault::new(&host.root, STATE_DIRECTORY);
    let engine = Engine::new(&host, Family::Debian, &vault);

    let mut desired = Desired::default();
    let content = desired.literal("hello\n");
    let user = provision_host::effective_uid();
    // A root without a passwd file knows users by number, but for root.
    let owner = if user == 0 { "root".to_owned() } else { user.to_string() };
    let state = FileState { content, mode: 0o644, owner: owner.clone(), group: owner, xattrs: None };
    let resource =
        Resource { section: "example".to_owned(), order: 0, state: State::File(state), pokes: [].into() };
    desired.insert(ResourceId::file("/motd"), resource);

    apply(&engine, "example", &desired)?;
    apply(&engine, "again", &desired)?;
    apply(&engine, "destroy", &Desired::default())
}

fn apply(engine: &Engine<'_>, name: &str, desired: &Desired) -> Result<(), Box<dyn Error>> {
    let applied = engine.apply(&Request {
        agreed: None,
        desired,
        name,
        profile: "",
        lock: None,
        who: "example",
        confirm: None,
        interrupted: &|| false,
        listener: &|event| {
            if let Event::Started { step, .. } = event {
                println!("  {:?} {}", step.phase, step.why);
            }
        },
    })?;
    match applied {
        Applied::Nothing => println!("{name}: nothing to do"),
        Applied::Waiting(pending) => {
            println!("{name}: generation {} waits to be confirmed", pending.generation)
        }
        Applied::Committed(report) => println!("{name}: generation {}", report.generation),
    }
    Ok(())
}
