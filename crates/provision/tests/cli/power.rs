//! The power is cut during a verb, and what was not brought to disk is gone: the host is as before or as after. What
//! programs of the host write is not synced by them here, so that it is ours to see that it reaches the disk.

use crate::bastion::Bastion;
use crate::disk::{Cut, Disk, Made};
use crate::kill::{Verb, anywhere, destroy, first_apply, rollback};
use crate::trace::Go;

/// The changes that a verb makes, and the disk before them.
fn recorded(verb: &Verb) -> (Disk, Vec<Made>) {
    let host = verb.host.copy();
    host.boot();
    let (disk, mut made) = (host.disk(), Vec::new());
    let mut after = |change: &_| made.push(Made::now(change));
    host.traced(verb.arguments, &mut |_| Go::On, &mut after).expect(0);
    (disk, made)
}

/// Cuts the power before every `step`th change.
fn cut_off(step: usize, verb: fn() -> Verb) {
    let first = anywhere(step);
    let work = |cuts: &[Cut]| {
        let verb = verb();
        let (disk, made) = recorded(&verb);
        for change in (first..=made.len()).step_by(step) {
            let mut disk = disk.clone();
            made[..change].iter().for_each(|made| disk.make(made));
            for cut in cuts {
                let host = Bastion::like(&disk, *cut);
                host.boot();
                let next = made.get(change).map(|made| &made.change);
                let moment =
                    format!("{:?}, {cut:?} is left before change {change}: {next:?}", verb.arguments);
                verb.holds(&host, &moment);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(&[Cut::Nothing, Cut::Some(1)]));
        scope.spawn(|| work(&[Cut::Names, Cut::Some(2)]));
    });
}

#[test]
fn an_apply_whose_power_is_cut_is_whole_or_not_at_all() {
    cut_off(90, first_apply);
}

#[test]
fn a_destroy_whose_power_is_cut_is_whole_or_not_at_all() {
    cut_off(90, destroy);
}

#[test]
#[ignore = "half an hour: just soak"]
fn soak_cuts_the_power_before_every_change() {
    for verb in [first_apply, destroy, rollback] {
        cut_off(1, verb);
    }
}
