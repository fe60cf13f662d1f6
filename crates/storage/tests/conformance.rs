//! Both databases keep the contract of every port.

use std::collections::BTreeSet;
use std::sync::Arc;

use storage::{Storage, StorageOptions};
use testkit::conformance::{self, Ports, Stand};
use testkit::database::TestDb;

/// One implementation of all ports, with people in it.
async fn stand(db: &TestDb) -> Stand {
    let storage = Storage::connect(db.url(), StorageOptions::default())
        .await
        .expect("the fresh database opens");
    let storage = Arc::new(storage);
    Stand::over(Ports {
        workflows: storage.clone(),
        agent: storage.clone(),
        runs: storage.clone(),
        outbox: storage.clone(),
        directory: storage.clone(),
        admin: storage.clone(),
        first: storage.clone(),
        policy: storage.clone(),
        audit: storage.clone(),
        retention: storage.clone(),
        limits: storage,
    })
    .await
}

/// One test for each rule and database, and the list of the rules.
macro_rules! suites {
    ($($suite:ident: $($rule:ident,)+;)+) => {
        $(mod $suite {
            use super::{conformance, stand};

            testkit::on_both! {
                $(async fn $rule(db: TestDb) {
                    conformance::$suite::$rule(stand(&db).await).await;
                })+
            }
        })+

        const LISTED: &[(&str, &str)] = &[$($((stringify!($suite), stringify!($rule)),)+)+];
    };
}

suites! {
    batches:
        many_items_come_in_at_once,
        items_behind_are_counted_and_held,
    ;
    agent:
        rows_come_back_as_they_were_stored,
        foreign_rows_look_absent,
        filters_narrow_lists,
        a_path_is_registered_once_for_each_tenant,
        a_stale_version_saves_nothing,
        racing_changes_are_not_lost,
        pages_are_stable,
        closed_sessions_can_be_left_out,
        kill_switches_stop_their_tenants,
        auto_apply_of_a_repository_can_be_allowed,
    ;
    runs:
        a_claimed_run_is_one_workers,
        racing_workers_never_share_a_run,
        runs_are_claimed_oldest_first,
        an_expired_lease_is_taken_over_and_the_old_fence_loses,
        a_passed_lease_holds_nothing,
        a_heartbeat_keeps_the_run,
        a_held_run_saves_its_progress_and_its_end,
        what_a_run_made_is_kept_with_it,
        retries_wait_and_end,
        a_passed_deadline_ends_a_run_loudly,
        used_up_attempts_end_a_run_loudly,
        ends_saved_by_workers_are_not_reported,
        a_stopped_run_is_lost_to_its_worker,
        an_ordered_run_is_queued,
        workers_see_every_tenant,
        leases_follow_the_databases_clock,
    ;
    outbox:
        an_event_is_delivered_whole_and_once,
        events_leave_with_their_transaction,
        events_are_delivered_oldest_first,
        an_expired_delivery_is_taken_over,
        racing_workers_never_share_an_event,
        retries_wait_or_give_up,
        the_backlog_is_what_waits,
    ;
    requests:
        the_first_answer_is_replayed,
        another_body_is_refused,
        keys_of_others_do_not_matter,
        what_was_rolled_back_is_not_remembered,
        racing_attempts_commit_once,
        old_answers_are_forgotten,
    ;
    transactions:
        an_older_epoch_opens_nothing,
        dropped_transactions_leave_nothing,
        dropped_transactions_give_their_connection_back,
    ;
    workflows:
        rows_come_back_as_they_were_stored,
        foreign_rows_look_absent,
        a_seed_key_is_taken_once_for_each_tenant,
        a_stale_version_saves_nothing,
        lists_are_narrowed_and_paged,
        events_reach_their_tenant_and_their_causer,
        an_event_fires_a_trigger_once,
        racing_firings_record_one,
        firings_are_paged,
        named_ids_resolve_in_scope_only,
    ;
    definitions:
        a_revision_is_published_whole,
        revisions_are_paged,
        settings_come_back_as_they_were_stored,
        runs_of_what_is_paused_wait,
        stars_are_personal_and_few,
        a_newer_template_is_told_where_it_is_seen,
        a_workflow_goes_to_another_owner_whole,
        templates_with_an_agent_stage_are_found,
    ;
    items:
        rows_come_back_as_they_were_stored,
        foreign_items_look_absent,
        a_move_is_stored_whole,
        a_stale_version_saves_nothing,
        racing_moves_happen_once,
        lists_are_narrowed_and_paged,
        moves_are_paged_oldest_first,
        a_stay_has_one_live_run,
        a_run_recommends_once,
        figures_count_one_workflow,
    ;
    waiting:
        what_an_item_says_is_saved_at_its_version,
        items_wait_for_items,
        what_is_in_hand_is_counted,
        who_started_a_run_is_known,
    ;
    turns:
        the_last_turn_is_known_and_turns_wait_for_each_other,
    ;
    comments:
        rows_come_back_as_they_were_stored,
        foreign_rows_look_absent,
        a_stale_version_saves_nothing,
        comments_are_paged_oldest_first,
    ;
    queues:
        a_queue_is_by_priority_and_age,
        held_items_are_by_priority_and_time,
        overdue_items_are_by_time,
    ;
    ledger:
        records_are_counted_against_each_other,
    ;
    departures:
        live_runs_are_found_by_person_and_owner,
        cancelled_runs_are_lost_and_told_of,
        foreign_runs_are_not_stopped,
        held_items_are_found_whoever_owns_them,
    ;
    limits:
        a_burst_is_given_and_then_the_rate,
        racing_processes_share_one_rate,
        rested_callers_are_forgotten,
    ;
    directory:
        rows_come_back_as_they_were_stored,
        names_are_taken_once,
        a_stale_version_saves_nothing,
        what_changes_a_right_raises_the_epoch,
        an_older_epoch_opens_nothing,
        racing_changes_are_made_one_after_the_other,
        dropped_changes_leave_nothing,
        belongings_are_counted_out_of_scope,
        a_change_is_told_to_whoever_it_is_about,
    ;
    directory_lists:
        users_are_listed_newest_first,
        teams_are_read_within_reach,
        members_are_listed_once,
    ;
    roles:
        roles_come_back_as_they_were_stored,
        slugs_and_versions_of_roles_are_minded,
        a_removed_role_leaves_nothing_held,
        roles_are_listed_of_seen_teams,
        a_role_is_held_once_in_a_place,
        holdings_are_of_active_users_now,
        holdings_are_removed_exactly,
        holdings_are_paged,
    ;
    people:
        seeding_is_idempotent,
        a_person_sees_himself_and_his_teams,
        every_change_raises_the_epoch,
        assignments_come_back_as_they_were_given,
        a_deleted_team_grants_nothing,
        an_inhabited_database_gets_no_founder,
    ;
    records:
        records_come_back_as_they_were_written,
        records_commit_with_their_change,
        records_are_listed_by_place,
        foreign_records_look_absent,
        records_are_narrowed,
        records_are_paged,
    ;
}

/// A rule that is told and not run would be worth nothing.
#[test]
fn every_rule_is_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/src/conformance");
    let mut told = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let suite = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let rule = line.strip_prefix("pub async fn ");
            if let Some((rule, _)) = rule.and_then(|rest| rest.split_once("(stand: Stand)")) {
                told.insert((suite.clone(), rule.to_owned()));
            }
        }
    }
    let listed: BTreeSet<_> =
        LISTED.iter().map(|(suite, rule)| ((*suite).to_owned(), (*rule).to_owned())).collect();
    assert!(!told.is_empty());
    assert_eq!(listed, told);
}
