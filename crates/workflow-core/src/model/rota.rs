//! Taking turns.
//!
//! People are in the order of their ids, and the turn goes round: to the next one after whoever
//! had the last, the first after the last of them.
//!
//! **Invariant:** between two turns of somebody who is always there, everybody else who is
//! always there has one; so their numbers differ by one at most, whoever comes and goes.

use std::collections::BTreeMap;

use primitives::UserId;

use super::Stage;

/// Who of `present`, which is by id, is given the next item at the stage: nobody when it is
/// full, or none of them has room for one more.
pub fn next_in_turn(
    stage: &Stage,
    present: &[UserId],
    last: Option<UserId>,
    in_hand: &BTreeMap<UserId, u64>,
) -> Option<UserId> {
    let reached = |limit: u32, count: u64| limit > 0 && count >= u64::from(limit);
    if reached(stage.wip_limit, in_hand.values().sum()) {
        return None;
    }
    let has_room = |user: &&UserId| {
        let own = in_hand.get(*user).copied().unwrap_or_default();
        !reached(stage.wip_limit_per_person, own)
    };
    let had_it = |user: &&UserId| last.is_some_and(|last| **user <= last);
    let after = present.iter().filter(|user| !had_it(user));
    let before = present.iter().filter(had_it);
    after.chain(before).find(has_room).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AgentOutput, Assignment, StageId, StageType};

    fn stage(wip_limit: u32, wip_limit_per_person: u32) -> Stage {
        Stage {
            id: StageId("do".into()),
            display_name: String::new(),
            description: String::new(),
            kind: StageType::Human,
            assignment: Assignment::Anyone,
            routes: vec![],
            agent_prompt: String::new(),
            agent_target_path: String::new(),
            agent_model_hint: String::new(),
            agent_output: AgentOutput::Plan,
            auto_apply_set_by: None,
            wip_limit,
            wip_limit_per_person,
            form: None,
            sla_minutes: 0,
            approval: None,
            auto_advance: None,
        }
    }

    fn people(count: usize) -> Vec<UserId> {
        let mut people: Vec<_> = (0..count).map(|_| UserId::generate()).collect();
        people.sort_unstable();
        people
    }

    #[test]
    fn the_turn_goes_round_and_passes_over_who_has_no_room() {
        let people = people(3);
        let [a, b, c] = [people[0], people[1], people[2]];
        let next = |last, in_hand: &[(UserId, u64)], stage: &Stage| {
            next_in_turn(stage, &people, last, &in_hand.iter().copied().collect())
        };
        let free = stage(0, 0);
        assert_eq!(next(None, &[], &free), Some(a));
        assert_eq!(next(Some(a), &[(b, 99)], &free), Some(b));
        assert_eq!(next(Some(c), &[], &free), Some(a));
        assert_eq!(next(Some(a), &[(b, 2)], &stage(0, 2)), Some(c));
        assert_eq!(next(Some(c), &[(a, 2), (b, 3), (c, 1)], &stage(0, 2)), Some(c));
        assert_eq!(next(Some(c), &[(a, 2), (b, 2), (c, 2)], &stage(0, 2)), None);
        assert_eq!(next(None, &[(a, 2), (UserId::generate(), 1)], &stage(3, 0)), None);
        assert_eq!(next_in_turn(&free, &[], Some(a), &BTreeMap::new()), None);
        let gone = next_in_turn(&free, &[a, c], Some(b), &BTreeMap::new());
        assert_eq!(gone, Some(c), "whoever left has lost his place, not his successor's");
    }

    proptest! {
        /// Whoever comes and goes, those who stay get the same, give or take one.
        #[test]
        fn those_who_stay_get_the_same(
            count in 2..7_usize,
            stay in 1..4_usize,
            there in prop::collection::vec(prop::collection::vec(any::<bool>(), 7), 1..80),
        ) {
            let people = people(count);
            let (stage, mut last, mut had) = (stage(0, 0), None, BTreeMap::<UserId, u32>::new());
            // Those who stay are spread among the others.
            let stays = |at: usize| at.is_multiple_of(stay.max(1));
            for now in there {
                let present: Vec<_> = people
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| stays(*at) || now[*at])
                    .map(|(_, user)| *user)
                    .collect();
                last = next_in_turn(&stage, &present, last, &BTreeMap::new());
                *had.entry(last.expect("somebody is there")).or_default() += 1;
            }
            let counts = people.iter().enumerate().filter(|(at, _)| stays(*at));
            let counts: Vec<_> =
                counts.map(|(_, user)| had.get(user).copied().unwrap_or_default()).collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{counts:?}");
        }
    }
}
