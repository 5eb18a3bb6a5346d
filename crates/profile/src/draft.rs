//! A desired state in the making: sections add resources, and whatever each resource needs comes along.
//!
//! Knows parent directories, the order of sections, and that two sections must not declare one resource.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use provision_converge::{
    Content, Desired, DirectoryState, FileState, Health, PackageState, PartState, Poke, Resource, ResourceId,
    State,
};
use provision_host::facts::Facts;

use crate::error::Error;
use crate::podman;
use crate::problem::{Problem, Problems};
use crate::recipe::Recipe;
use crate::resolve::Resolution;
use crate::source::Origin;

/// Who a file belongs to, and who may do what with it.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    mode: u32,
    owner: String,
    group: String,
}

impl Access {
    /// root's, with these permission bits.
    pub(crate) fn root(mode: u32) -> Self {
        Self::of(mode, "root", "root")
    }

    /// Somebody's, with these permission bits.
    pub(crate) fn of(mode: u32, owner: &str, group: &str) -> Self {
        Self { mode, owner: owner.to_owned(), group: group.to_owned() }
    }
}

/// What sections have asked for so far.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) desired: Desired,
    recipes: Vec<Recipe>,
    origins: BTreeMap<ResourceId, Origin>,
    keys: BTreeMap<ResourceId, BTreeSet<&'static str>>,
    because: Vec<&'static str>,
    problems: Problems,
    section: &'static str,
    order: u32,
    origin: Origin,
}

impl Draft {
    /// Nothing yet; `origin` is the profile itself.
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            desired: Desired::default(),
            recipes: Vec::new(),
            origins: BTreeMap::new(),
            keys: BTreeMap::new(),
            because: Vec::new(),
            problems: Problems::default(),
            section: "",
            order: 0,
            origin,
        }
    }

    /// From here on, everything belongs to this section, which stands there.
    pub(crate) fn section(&mut self, name: &'static str, origin: Option<&Origin>) {
        (self.section, self.order) = (name, self.order + 1);
        self.because = vec![name];
        if let Some(origin) = origin {
            self.origin = origin.clone();
        }
    }

    /// From here on, everything comes from these keys of the profile, until others or the next section are named.
    pub(crate) fn because(&mut self, keys: &[&'static str]) {
        self.because = keys.to_vec();
    }

    /// Adds a resource. `origin` is where it is declared, if that is more exact than the section.
    pub(crate) fn add(&mut self, id: ResourceId, state: State, pokes: &[Poke], origin: Option<&Origin>) {
        let origin = origin.unwrap_or(&self.origin).clone();
        let resource = Resource {
            section: self.section.to_owned(),
            order: self.order,
            state,
            pokes: pokes.iter().cloned().collect(),
        };
        self.keys.entry(id.clone()).or_default().extend(&self.because);
        let old = self.desired.resources.get(&id);
        match old.map(|old| meet(&old.state, &resource.state)) {
            None | Some(Meeting::TakeNew) => {
                self.origins.insert(id.clone(), origin);
                self.desired.insert(id, resource);
            }
            Some(Meeting::KeepOld) => {}
            Some(Meeting::Clash) => self.clash(&id, &id, &origin),
        }
    }

    /// Reports what only shows when all sections have spoken: a file and a part of it.
    pub(crate) fn finish(mut self) -> Result<Resolution, Problems> {
        let ids: Vec<ResourceId> = self.desired.resources.keys().cloned().collect();
        for part in ids.iter().filter(|id| id.file_part().is_some()) {
            let whole = ResourceId::file(part.path());
            if let Some(origin) = self.origins.get(part).cloned()
                && self.desired.resources.contains_key(&whole)
            {
                self.clash(&whole, part, &origin);
            }
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(Resolution {
            desired: self.desired,
            recipes: self.recipes,
            origins: self.origins,
            keys: self.keys,
        })
    }

    fn clash(&mut self, first: &ResourceId, second: &ResourceId, origin: &Origin) {
        let title = match first == second {
            true => format!("{second} is declared twice"),
            false => format!("{first} and {second} cannot both be declared"),
        };
        let section = self.desired.resources.get(second).filter(|_| first != second);
        let section = section.map_or(self.section, |resource| &resource.section);
        let mut problem = Problem::new(origin, title, format!("by `{section}`"));
        if let Some((place, old)) = self.origins.get(first).zip(self.desired.resources.get(first)) {
            problem = problem.and(place, format!("by `{}`", old.section));
        }
        self.problems.push(problem);
    }

    /// A package, in whatever version the distribution has.
    pub(crate) fn package(&mut self, name: &str, origin: Option<&Origin>) {
        self.package_in(name, None, origin);
    }

    /// A package, in one exact version if there is one.
    pub(crate) fn package_in(&mut self, name: &str, version: Option<String>, origin: Option<&Origin>) {
        self.add(ResourceId::package(name), State::Package(PackageState { version }), &[], origin);
    }

    /// podman, with what it needs.
    pub(crate) fn podman(&mut self, facts: &Facts) -> Result<(), Error> {
        for name in podman::packages(facts)? {
            self.package(name, None);
        }
        for path in podman::lock_files(facts)? {
            if !self.desired.resources.contains_key(&ResourceId::file(path)) {
                self.text(path, "", &[]);
            }
        }
        Ok(())
    }

    /// A whole file; its parents come along.
    pub(crate) fn file(
        &mut self,
        path: &str,
        content: Content,
        access: Access,
        pokes: &[Poke],
        origin: Option<&Origin>,
    ) {
        self.parents(path, origin);
        let Access { mode, owner, group } = access;
        let state = FileState { content, mode, owner, group, xattrs: None };
        self.add(ResourceId::file(path), State::File(state), pokes, origin);
    }

    /// A whole file whose bytes the profile gives.
    pub(crate) fn text(&mut self, path: &str, text: impl Into<Vec<u8>>, pokes: &[Poke]) {
        let content = self.desired.literal(text);
        self.file(path, content, Access::root(0o644), pokes, None);
    }

    /// A part of a file that belongs to others.
    pub(crate) fn part(&mut self, path: &str, part: &str, content: Content, mode: u32) {
        self.parents(path, None);
        let state = PartState { content: Some(content), mode };
        self.add(ResourceId::part(path, part), State::Part(state), &[], None);
    }

    /// A directory of our own.
    pub(crate) fn directory(&mut self, path: &str, mode: u32) {
        self.parents(path, None);
        self.add(ResourceId::file(path), directory(mode, false), &[], None);
    }

    /// Adds what has to be true in the end.
    pub(crate) fn health(&mut self, health: Health) {
        self.desired.health.push(health);
    }

    /// Adds what is made on the host; its pieces are then named by [`Content::generated`].
    pub(crate) fn recipe(&mut self, recipe: Recipe) {
        self.recipes.push(recipe);
    }

    fn parents(&mut self, path: &str, origin: Option<&Origin>) {
        let above: BTreeSet<&Path> =
            Path::new(path).ancestors().skip(1).filter(|path| *path != Path::new("/")).collect();
        for parent in above {
            // What is made below a home is that user's business alone.
            let home = ["/root", "/home"].iter().any(|home| parent.starts_with(home));
            self.add(
                ResourceId::file(parent),
                directory(if home { 0o700 } else { 0o755 }, true),
                &[],
                origin,
            );
        }
    }
}

/// What becomes of a resource that is asked for again.
enum Meeting {
    KeepOld,
    TakeNew,
    Clash,
}

fn meet(old: &State, new: &State) -> Meeting {
    match (old, new) {
        // Two sections may need one package, and one of them an exact version.
        (State::Package(_), State::Package(PackageState { version: None })) => Meeting::KeepOld,
        (State::Package(PackageState { version: None }), State::Package(_)) => Meeting::TakeNew,
        // A directory that is declared for itself outranks the same one as somebody's parent.
        (State::Directory(_), State::Directory(new)) if new.parent => Meeting::KeepOld,
        (State::Directory(old), State::Directory(_)) if old.parent => Meeting::TakeNew,
        _ => Meeting::Clash,
    }
}

fn directory(mode: u32, parent: bool) -> State {
    State::Directory(DirectoryState {
        mode,
        owner: "root".to_owned(),
        group: "root".to_owned(),
        parent,
        xattrs: None,
    })
}
