//! Figures with known times: percentiles, rework, periods and local days.
//!
//! Times are written by hand into the tables, so that what is expected can be counted out.

use api::workflow::{GetWorkflowAnalyticsRequest, Lengths, WorkflowAnalytics};
use prost_types::Timestamp;
use testkit::world::shapes::{human, item, workflow};
use testkit::world::{Person, Refused as _, World, refused};
use tonic::{Code, Response};

use crate::ledger::{checks, looping, verifies};

/// 2026-03-28T12:00:00Z, the day before clocks go forward in Berlin.
const NOON: i64 = 1_774_699_200;
const HOUR: i64 = 3_600;
const MICROS: i64 = 1_000_000;

fn moment(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

async fn sees(person: &Person, asked: GetWorkflowAnalyticsRequest) -> WorkflowAnalytics {
    person.analytics().get_workflow_analytics(asked).await.map(Response::into_inner).unwrap()
}

fn asked(flow: &str) -> GetWorkflowAnalyticsRequest {
    GetWorkflowAnalyticsRequest { name: flow.to_owned(), ..Default::default() }
}

fn told(lengths: Option<&Lengths>) -> (i64, f64, f64, f64, f64) {
    let told = lengths.expect("lengths");
    (told.count, told.mean_seconds, told.p50_seconds, told.p85_seconds, told.p95_seconds)
}

/// Items of one stage, called by numbers; the number-th took that many seconds.
async fn finished(world: &World, number: usize) -> String {
    let [alice, bob] = world.people(["alice", "bob"]);
    let flow = alice.creates_workflow(workflow("Work", &alice.team, [human("do")])).await.unwrap();
    for at in (1..=number).rev() {
        let made = bob.creates_item(item(&flow.name, &at.to_string())).await.unwrap();
        bob.does(&made).await.unwrap();
    }
    let (noon, took) = (NOON * MICROS, "1000000 * cast(title as bigint)");
    for change in [
        format!("update work_item set created_at = {noon}, closed_at = {noon} + {took}"),
        format!(
            "update stage_visit set entered_at = {noon}, left_at = {noon} \
             + (select {took} from work_item i where i.id = stage_visit.work_item_id)"
        ),
    ] {
        world.probe().changes(&change).await;
    }
    flow.name
}

testkit::on_both! {
    /// Percentiles are lengths that occurred, by nearest rank: of twenty, the 10th, 17th and
    /// 19th; of three, the 2nd and twice the 3rd; of one, that one.
    async fn percentiles_are_by_nearest_rank(db: TestDb) {
        let world = World::start(db).await;
        let gus = world.person("gus");
        for (number, mean, ranks) in
            [(20, 10.5, (10.0, 17.0, 19.0)), (3, 2.0, (2.0, 3.0, 3.0)), (1, 1.0, (1.0, 1.0, 1.0))]
        {
            let flow = finished(&world, number).await;
            let figures = sees(&gus, asked(&flow)).await;
            let expected = (i64::try_from(number).unwrap(), mean, ranks.0, ranks.1, ranks.2);
            assert_eq!(told(figures.cycle.as_ref()), expected);
            let stage = &figures.stages[0];
            assert_eq!(told(stage.lengths.as_ref()), expected);
            assert_eq!(told(stage.first_lengths.as_ref()), expected);
            assert_eq!(told(stage.rework_lengths.as_ref()), (0, 0.0, 0.0, 0.0, 0.0));
            assert_eq!((figures.mean_cycle_seconds, stage.mean_seconds), (mean, mean));
            world.probe().changes("update work_item set title = '0'").await;
        }
    }

    /// A stay at a stage where the item was before is rework, counted and timed apart.
    async fn rework_is_told_apart(db: TestDb) {
        let world = World::start(db).await;
        let bob = world.person("bob");
        let flow = looping(&world).await;
        let made = bob.creates_item(item(&flow, "Twice")).await.unwrap();
        let back = checks(&bob, &bob.does(&made).await.unwrap(), true).await;
        assert_eq!(back.stage_id, "do");
        let checked = bob.does(&back).await.unwrap();
        bob.creates_item(item(&flow, "Once")).await.unwrap();
        // First stays take 10 s, later ones 30 s.
        for (order, took) in [("asc", 10), ("desc", 30)] {
            world.probe().changes(&format!(
                "update stage_visit set left_at = entered_at + {took} * 1000000 \
                 where id in (select id from stage_visit where stage_id = 'do' \
                 and left_at is not null order by entered_at {order} limit 1)"
            )).await;
        }

        let figures = sees(&bob, asked(&flow)).await;
        let [done, check] = &figures.stages[..] else { panic!("{figures:#?}") };
        assert_eq!((done.entered, done.reworked, done.completed, done.in_stage_now), (3, 1, 2, 1));
        assert_eq!(told(done.lengths.as_ref()), (2, 20.0, 10.0, 30.0, 30.0));
        assert_eq!(told(done.first_lengths.as_ref()), (1, 10.0, 10.0, 10.0, 10.0));
        assert_eq!(told(done.rework_lengths.as_ref()), (1, 30.0, 30.0, 30.0, 30.0));
        assert_eq!((check.entered, check.reworked, check.in_stage_now), (2, 1, 1));
        assert_eq!(check.lengths.as_ref().unwrap().count, 1);
        checks(&bob, &checked, false).await;
        let report = verifies(&bob, &flow).await.unwrap();
        assert!(report.violations.iter().all(|found| found.stage_id == "do"), "{report:#?}");
    }

    /// A period counts what happened from its start on and before its end; what is open, and
    /// where it is, is always told as it is now.
    async fn a_period_has_a_start_and_no_end(db: TestDb) {
        let world = World::start(db).await;
        let [alice, bob] = world.people(["alice", "bob"]);
        let flow = finished(&world, 3).await;
        let open = bob.creates_item(item(&flow, "9")).await.unwrap();
        bob.cancels(&bob.creates_item(item(&flow, "8")).await.unwrap()).await.unwrap();
        let of = async |start: Option<i64>, end: Option<i64>| {
            let (start_time, end_time) = (start.map(moment), end.map(moment));
            sees(&alice, GetWorkflowAnalyticsRequest { start_time, end_time, ..asked(&flow) }).await
        };

        let whole = of(None, None).await;
        assert_eq!((whole.total, whole.completed, whole.in_progress, whole.cancelled), (5, 3, 1, 1));
        // Completed at NOON + 1, + 2 and + 3.
        let part = of(Some(NOON + 2), Some(NOON + 3)).await;
        assert_eq!((part.total, part.completed, part.cancelled, part.in_progress), (0, 1, 0, 1));
        assert_eq!(told(part.cycle.as_ref()), (1, 2.0, 2.0, 2.0, 2.0));
        let stage = &part.stages[0];
        assert_eq!((stage.entered, stage.completed, stage.left_otherwise, stage.in_stage_now), (0, 1, 0, 1));
        assert_eq!(told(stage.lengths.as_ref()).0, 1);
        let early = of(None, Some(NOON + 1)).await;
        assert_eq!((early.total, early.completed, early.stages[0].entered), (3, 0, 3));
        let late = of(Some(NOON + 3), None).await;
        assert_eq!((late.total, late.completed, late.cancelled), (2, 1, 1));
        assert_eq!(alice.sees_item(&open.name).await.unwrap().name, open.name);
    }

    /// Days are those of the time zone, also where clocks change, and each has its line.
    async fn days_are_local(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let flow = finished(&world, 3).await;
        // Completed on Saturday evening, and on Sunday and Monday just after local midnight;
        // all created on Saturday.
        for (title, closed) in [("1", NOON + 10 * HOUR), ("2", NOON + 11 * HOUR), ("3", NOON + 34 * HOUR)] {
            let closed = closed * MICROS;
            let change = format!("update work_item set closed_at = {closed} where title = '{title}'");
            world.probe().changes(&change).await;
        }
        let days = async |zone: &str, hours: i64| {
            let asked = GetWorkflowAnalyticsRequest {
                start_time: Some(moment(NOON)),
                end_time: Some(moment(NOON + hours * HOUR)),
                time_zone: zone.to_owned(),
                ..asked(&flow)
            };
            let days = sees(&alice, asked).await.days;
            let line = |day: &api::workflow::DayAnalytics| {
                format!("{} {} {} {} {}", day.date, day.created, day.completed, day.cancelled, day.failed)
            };
            days.iter().map(line).collect::<Vec<_>>()
        };

        let berlin = ["2026-03-28 3 1 0 0", "2026-03-29 0 1 0 0", "2026-03-30 0 1 0 0", "2026-03-31 0 0 0 0"];
        assert_eq!(days("Europe/Berlin", 60).await, berlin);
        assert_eq!(days("Europe/Berlin", 34).await, ["2026-03-28 3 1 0 0", "2026-03-29 0 1 0 0"]);
        assert_eq!(days("UTC", 36).await, ["2026-03-28 3 2 0 0", "2026-03-29 0 1 0 0"]);
        assert_eq!(days("Pacific/Kiritimati", 1).await, ["2026-03-29 3 0 0 0"]);
        assert!(sees(&alice, asked(&flow)).await.days.is_empty());
    }

    /// What cannot be answered is refused by its field.
    async fn wrong_periods_are_refused_by_field(db: TestDb) {
        let world = World::start(db).await;
        let alice = world.person("alice");
        let flow = looping(&world).await;
        let wrong = |start: Option<i64>, end: Option<i64>, zone: &str| GetWorkflowAnalyticsRequest {
            start_time: start.map(moment),
            end_time: end.map(moment),
            time_zone: zone.to_owned(),
            ..asked(&flow)
        };
        for (request, field) in [
            (wrong(Some(NOON), Some(NOON), ""), "end_time"),
            (wrong(Some(-1), None, ""), "start_time"),
            (wrong(None, Some(NOON), "UTC"), "start_time"),
            (wrong(Some(0), Some(NOON), "UTC"), "end_time"),
            (wrong(Some(NOON), Some(NOON + 1), "Mars/Base"), "time_zone"),
            (wrong(Some(NOON), Some(i64::MAX / 2_000_000), "UTC"), "end_time"),
        ] {
            let shown = format!("{request:?}");
            let answer = alice.analytics().get_workflow_analytics(request).await;
            let status = refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
            assert_eq!(status.fields(), [field], "{shown}");
        }
    }
}
