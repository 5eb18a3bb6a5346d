//! The planner's table, a test per row, and the order of steps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use provision_converge::{
    Baseline, Content, ContentState, Desired, DirectoryState, FileState, ImageSource, ImageState, Observed,
    Op, PackageState, Phase, Plan, Poke, Resource, ResourceId, Resources, State, UnitState, Why, plan,
};

fn file(fingerprint: &str) -> State {
    let content = Content { fingerprint: Some(fingerprint.into()), generated: None, secret: false };
    State::File(FileState { content, mode: 0o644, owner: "root".into(), group: "root".into(), xattrs: None })
}

fn parent() -> State {
    State::Directory(DirectoryState {
        mode: 0o755,
        owner: "root".into(),
        group: "root".into(),
        parent: true,
        xattrs: None,
    })
}

fn wants(state: State) -> Resource {
    Resource { section: "host".into(), order: 0, state, pokes: [].into() }
}

fn resources(all: &[(&str, State)]) -> Resources {
    all.iter().map(|(id, state)| (id.parse().unwrap(), wants(state.clone()))).collect()
}

fn states(all: &[(&str, State)]) -> Observed {
    all.iter().map(|(id, state)| (id.parse().unwrap(), state.clone())).collect()
}

fn desired(all: &[(&str, State)]) -> Desired {
    Desired { resources: resources(all), ..Desired::default() }
}

const X: &str = "file:/etc/x";

/// Plans for one file: desired, recorded, observed; each the file's content, or none.
fn row(wanted: Option<&str>, was: Option<&str>, is: Option<&str>, baseline: Option<&str>) -> Plan {
    let as_state = |text: Option<&str>| text.map_or(State::Absent, file);
    let of = |text: Option<&str>| text.map(|text| (X, file(text)));
    let baseline = Baseline { states: states(&[(X, as_state(baseline))]), ..Baseline::default() };
    let known = if was.is_some() { baseline } else { Baseline::default() };
    plan(
        &desired(of(wanted).as_slice()),
        &resources(of(was).as_slice()),
        &known,
        &states(&[(X, as_state(is))]),
    )
}

fn only(plan: &Plan) -> (Why, State) {
    let [step] = plan.steps.as_slice() else { panic!("expected one step: {plan:?}") };
    let Op::Put { to, .. } = &step.op else { panic!("expected a file: {step:?}") };
    (step.why, to.clone())
}

#[test]
fn wanted_new_and_there_already_is_recorded_only() {
    let plan = row(Some("a"), None, Some("a"), None);
    assert!(plan.is_empty());
    assert_eq!(plan.baseline, states(&[(X, file("a"))]));
}

#[test]
fn wanted_new_where_nothing_is_is_new() {
    let plan = row(Some("a"), None, None, None);
    assert_eq!(only(&plan), (Why::New, file("a")));
    assert_eq!(plan.baseline, states(&[(X, State::Absent)]));
}

#[test]
fn wanted_new_where_something_is_is_adopted() {
    let plan = row(Some("a"), None, Some("b"), None);
    assert_eq!(only(&plan), (Why::Adopt, file("a")));
    assert_eq!(plan.baseline, states(&[(X, file("b"))]));
}

#[test]
fn as_wanted_is_nothing() {
    assert!(row(Some("a"), Some("a"), Some("a"), None).is_empty());
    assert!(row(Some("a"), Some("b"), Some("a"), None).is_empty());
}

#[test]
fn as_recorded_but_not_as_wanted_is_changed() {
    let plan = row(Some("a"), Some("b"), Some("b"), Some("c"));
    assert_eq!(only(&plan), (Why::Changed, file("a")));
    assert!(plan.baseline.is_empty(), "the baseline is that of the first contact");
}

#[test]
fn neither_as_recorded_nor_as_wanted_is_drift() {
    assert_eq!(only(&row(Some("a"), Some("a"), Some("x"), None)), (Why::Drift, file("a")));
    assert_eq!(only(&row(Some("a"), Some("a"), None, None)), (Why::Drift, file("a")));
}

#[test]
fn no_longer_wanted_goes_back_to_the_baseline() {
    assert_eq!(only(&row(None, Some("a"), Some("a"), None)), (Why::Removed, State::Absent));
    assert_eq!(only(&row(None, Some("a"), Some("x"), Some("c"))), (Why::Removed, file("c")));
    assert!(row(None, Some("a"), None, None).is_empty());
}

#[test]
fn what_cannot_be_read_is_never_no_change() {
    let unknown = states(&[(X, State::Unknown { reason: "permission denied".into() })]);
    for (wanted, was) in [(Some("a"), None), (Some("a"), Some("a")), (None, Some("a"))] {
        let of = |text: Option<&str>| text.map(|text| (X, file(text)));
        let (wanted, was) = (desired(of(wanted).as_slice()), resources(of(was).as_slice()));
        let plan = plan(&wanted, &was, &Baseline::default(), &unknown);
        assert!(!plan.is_empty() && plan.steps.is_empty());
        assert_eq!(plan.unknown.values().next().unwrap(), "could not be read: permission denied");
    }
}

#[test]
fn a_package_that_was_there_stays() {
    let package = |version: Option<&str>| State::Package(PackageState { version: version.map(Into::into) });
    let recorded = resources(&[
        ("package:podman", package(None)),
        // Named in an exact version: the one before it may not be had any more.
        ("package:skopeo", package(Some("1.9"))),
        ("package:jq", package(None)),
    ]);
    let observed = states(&[
        ("package:podman", package(Some("4.3.2"))),
        ("package:skopeo", package(Some("1.9"))),
        ("package:jq", package(Some("1.6"))),
    ]);
    let before = [
        ("package:podman", package(Some("4.3.1"))),
        ("package:skopeo", package(Some("1.8"))),
        ("package:jq", State::Absent),
    ];
    let baseline = Baseline { states: states(&before), brought: ["libjq1".to_owned()].into() };
    let plan = plan(&Desired::default(), &recorded, &baseline, &observed);
    let [step] = plan.steps.as_slice() else { panic!("{plan:?}") };
    let remove = ["jq".to_owned(), "libjq1".to_owned()].into();
    assert_eq!(step.op, Op::Packages { install: [].into(), remove });
}

/// A small service: package, directory, file, image and unit.
fn service(text: &str, image: &str) -> Vec<(&'static str, Resource)> {
    let follows = |state, pokes: &[Poke]| Resource { pokes: pokes.iter().cloned().collect(), ..wants(state) };
    let restart = Poke::Restart { unit: "r.service".into() };
    vec![
        ("package:podman", wants(State::Package(PackageState { version: None }))),
        ("file:/etc/r", wants(parent())),
        ("file:/etc/r/r.conf", follows(file(text), &[Poke::DaemonReload, restart.clone()])),
        (
            "image:localhost/r:1",
            follows(
                State::Image(ImageState { id: image.into(), source: ImageSource::Storage }),
                std::slice::from_ref(&restart),
            ),
        ),
        ("unit:r.service", wants(State::Unit(UnitState::running(true)))),
    ]
}

fn as_resources(service: &[(&str, Resource)]) -> Resources {
    service.iter().map(|(id, resource)| (id.parse().unwrap(), resource.clone())).collect()
}

fn as_observed(service: &[(&str, Resource)]) -> Observed {
    service.iter().map(|(id, resource)| (id.parse().unwrap(), resource.state.clone())).collect()
}

fn shown(plan: &Plan) -> Vec<(Phase, String)> {
    let what = |op: &Op| match op {
        Op::Poke { poke } => poke.to_string(),
        Op::Packages { install, remove } => format!("+{} -{}", install.len(), remove.len()),
        Op::Put { id, .. } => id.to_string(),
        Op::Unit { name, .. } | Op::Image { name, .. } => name.clone(),
        other => format!("{other:?}"),
    };
    plan.steps.iter().map(|step| (step.phase, what(&step.op))).collect()
}

#[test]
fn a_service_comes_up_in_the_order_of_the_phases() {
    let service = as_resources(&service("a", "1"));
    let desired = Desired { resources: service, ..Desired::default() };
    let plan = plan(&desired, &Resources::new(), &Baseline::default(), &Observed::new());
    let expected = [
        (Phase::Packages, "+1 -0"),
        (Phase::Files, "file:/etc/r"),
        (Phase::Files, "file:/etc/r/r.conf"),
        (Phase::Images, "localhost/r:1"),
        (Phase::Reload, "reload systemd's units"),
        (Phase::Start, "r.service"),
    ];
    assert_eq!(shown(&plan), expected.map(|(phase, text)| (phase, text.to_owned())));
}

#[test]
fn a_service_goes_in_the_opposite_order() {
    let recorded = as_resources(&service("a", "1"));
    let mut observed = as_observed(&service("a", "1"));
    let podman: ResourceId = "package:podman".parse().unwrap();
    observed.insert(podman, State::Package(PackageState { version: Some("4.3.1".into()) }));
    let plan = plan(&Desired::default(), &recorded, &Baseline::default(), &observed);
    let expected = [
        (Phase::Stop, "r.service"),
        (Phase::Discard, "localhost/r:1"),
        (Phase::Files, "file:/etc/r/r.conf"),
        (Phase::Reload, "reload systemd's units"),
        (Phase::Remove, "+0 -1"),
        (Phase::Clear, "file:/etc/r"),
    ];
    assert_eq!(shown(&plan), expected.map(|(phase, text)| (phase, text.to_owned())));
}

/// podman's own scripts make its lock file anew while the package is removed.
#[test]
fn files_that_nobody_has_to_be_told_of_go_after_the_packages_that_may_make_them_anew() {
    let package =
        |version: Option<&str>| State::Package(PackageState { version: version.map(str::to_owned) });
    let (podman, directory, lock) = ("package:podman", "file:/etc/r", "file:/etc/r/lock");
    let recorded = resources(&[(podman, package(None)), (directory, parent()), (lock, file("a"))]);
    let observed = states(&[(podman, package(Some("4.3.1"))), (directory, parent()), (lock, file("a"))]);
    let plan = plan(&Desired::default(), &recorded, &Baseline::default(), &observed);
    let expected = [(Phase::Remove, "+0 -1"), (Phase::Clear, lock), (Phase::Clear, directory)];
    assert_eq!(shown(&plan), expected.map(|(phase, text)| (phase, text.to_owned())));
}

#[test]
fn a_changed_file_restarts_the_unit_that_runs_once() {
    let recorded = as_resources(&service("a", "1"));
    let desired = Desired { resources: as_resources(&service("b", "2")), ..Desired::default() };
    let mut observed = as_observed(&service("a", "1"));
    let podman: ResourceId = "package:podman".parse().unwrap();
    observed.insert(podman, State::Package(PackageState { version: Some("4.3.1".into()) }));
    let plan = plan(&desired, &recorded, &Baseline::default(), &observed);
    let expected = [
        (Phase::Files, "file:/etc/r/r.conf"),
        (Phase::Images, "localhost/r:1"),
        (Phase::Reload, "reload systemd's units"),
        (Phase::Start, "restart r.service"),
    ];
    assert_eq!(shown(&plan), expected.map(|(phase, text)| (phase, text.to_owned())));
    assert!(!plan.has_drift());
}

const CONTENT: &str = "content:ocp4/openshift4";

fn content() -> State {
    State::Content(ContentState { content: serde_json::json!({ "registry": "r.test:8443" }) })
}

#[test]
fn content_that_is_no_longer_wanted_is_kept_and_not_even_asked_for() {
    let unknown = states(&[(CONTENT, State::Unknown { reason: "the registry is gone".into() })]);
    let plan = plan(&Desired::default(), &resources(&[(CONTENT, content())]), &Baseline::default(), &unknown);
    assert!(plan.is_empty(), "{plan:?}");
}

#[test]
fn content_that_cannot_be_read_is_unknown_unless_the_plan_may_cure_it() {
    let unreadable = (CONTENT, State::Unknown { reason: "the certificate cannot be trusted".into() });
    let wanted = desired(&[(CONTENT, content()), (X, file("new"))]);
    let recorded = resources(&[(CONTENT, content()), (X, file("old"))]);
    let alone =
        plan(&wanted, &recorded, &Baseline::default(), &states(&[unreadable.clone(), (X, file("new"))]));
    assert!(alone.steps.is_empty() && alone.unknown.len() == 1, "{alone:?}");
    let with = plan(&wanted, &recorded, &Baseline::default(), &states(&[unreadable, (X, file("old"))]));
    assert!(with.unknown.is_empty(), "{with:?}");
    let phases: Vec<Phase> = with.steps.iter().map(|step| step.phase).collect();
    assert_eq!(phases, [Phase::Files, Phase::Content]);
}
