//! `elohim.agent.v1`.

use api::agent::apply_request::Change;
use api::agent::*;
use prost::Message as _;

use crate::entry::{Draft, Entry, Parts, on, seen};
use crate::facts::{Need, Owner};
use crate::things::Kind;

const OWN: &str = "everybody holds it on their own, and sees nobody else's";

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "agent.v1.AgentService/Route",
        &[on(Kind::Repository).share(70), seen(Kind::Session).share(30)],
        |c| {
            RouteRequest { input: task(), repository: c.name(0), session: c.name(1) }
                .encode_to_vec()
        },
    )
    .adjusted(session_brings_repository),
    Entry::new(
        "agent.v1.AgentService/BuildContext",
        &[on(Kind::Repository).share(80), seen(Kind::Session).share(40)],
        |c| {
            BuildContextRequest {
                input: task(),
                repository: c.name(0),
                session: c.name(1),
                token_budget: c.page_size(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    .adjusted(names_a_repository),
    Entry::new(
        "agent.v1.AgentService/Plan",
        &[on(Kind::Repository).share(85), seen(Kind::Session).share(30), on(Kind::Item).share(30)],
        |c| {
            PlanRequest {
                input: task(),
                repository: c.name(0),
                session: c.name(1),
                work_item: c.name(2),
                request_id: c.request_id(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    .adjusted(names_a_repository),
    Entry::new(
        "agent.v1.AgentService/Apply",
        &[
            on(Kind::Repository),
            seen(Kind::Session).share(15),
            on(Kind::Item).share(30),
            seen(Kind::Plan).share(15),
        ],
        apply,
    )
    // No engine carries a plan out here.
    .certain(|draft| !draft.has(3)),
    Entry::new("agent.v1.AgentService/ListEngines", &[], |_| ListEnginesRequest {}.encode_to_vec())
        .never_denied("everybody may use code on their own")
        .never_not_found("it names nothing"),
    Entry::new("agent.v1.RunService/GetRun", &[on(Kind::Run)], |c| {
        GetRunRequest { name: c.name(0) }.encode_to_vec()
    }),
    Entry::new(
        "agent.v1.RunService/ListRuns",
        &[seen(Kind::Item).share(50), seen(Kind::Session).share(40)],
        |c| {
            ListRunsRequest {
                work_item: c.name(0),
                session: c.name(1),
                page_size: c.page_size(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    .never_denied("what is not held is left out"),
    Entry::new("agent.v1.PatchService/GetPatch", &[on(Kind::Patch)], |c| {
        GetPatchRequest { name: c.name(0) }.encode_to_vec()
    }),
    Entry::new(
        "agent.v1.PatchService/ListPatches",
        &[seen(Kind::Item).share(50), seen(Kind::Repository).share(50)],
        |c| {
            ListPatchesRequest {
                work_item: c.name(0),
                repository: c.name(1),
                page_size: c.page_size(),
                ..Default::default()
            }
            .encode_to_vec()
        },
    )
    .never_denied("what is not held is left out"),
    Entry::new("agent.v1.PatchService/RevertPatch", &[on(Kind::ToRevert).about(Need::Row)], |c| {
        RevertPatchRequest { name: c.name(0), request_id: c.request_id(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new(
        "agent.v1.SessionService/CreateSession",
        &[on(Kind::Repository), on(Kind::Item).share(30)],
        |c| {
            let (repository, work_item) = (c.name(0), c.name(1));
            let session = Session { repository, work_item, ..Default::default() };
            CreateSessionRequest { session: Some(session), request_id: c.request_id() }
                .encode_to_vec()
        },
    ),
    Entry::new("agent.v1.SessionService/GetSession", &[on(Kind::Session)], |c| {
        GetSessionRequest { name: c.name(0) }.encode_to_vec()
    })
    .never_denied(OWN),
    Entry::new("agent.v1.SessionService/ListSessions", &[], |c| {
        ListSessionsRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_denied(OWN)
    .never_not_found("it names nothing"),
    Entry::new("agent.v1.SessionService/CloseSession", &[on(Kind::SpareSession)], |c| {
        CloseSessionRequest { name: c.name(0), request_id: c.request_id() }.encode_to_vec()
    })
    .never_denied(OWN),
    Entry::new("agent.v1.RepositoryService/RegisterRepository", &[on(Kind::Home)], |c| {
        let (visibility, team) = c.owner(0);
        RegisterRepositoryRequest {
            path: c.path.clone(),
            visibility,
            team,
            request_id: c.request_id(),
            ..Default::default()
        }
        .encode_to_vec()
    }),
    Entry::new("agent.v1.RepositoryService/GetRepository", &[on(Kind::Repository)], |c| {
        GetRepositoryRequest { name: c.name(0) }.encode_to_vec()
    }),
    Entry::new("agent.v1.RepositoryService/ListRepositories", &[], |c| {
        ListRepositoriesRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_denied("everybody may use code on their own")
    .never_not_found("it names nothing"),
];

fn task() -> String {
    "Fix the cart".to_owned()
}

/// Without a repository the session's is taken, and needs what a named one needs.
fn session_brings_repository(draft: &mut Draft) -> bool {
    let needs = (!draft.has(0)).then_some(Need::Row);
    draft.set_need_about(1, needs);
    true
}

fn names_a_repository(draft: &mut Draft) -> bool {
    session_brings_repository(draft) && (draft.has(0) || draft.has(1))
}

fn apply(c: &Parts<'_>) -> Vec<u8> {
    let change = match c.name(3) {
        plan if plan.is_empty() => Change::UnifiedDiff(c.diff.clone()),
        name => Change::Plan(PlanChange { name, ..Default::default() }),
    };
    ApplyRequest {
        change: Some(change),
        repository: c.name(0),
        session: c.name(1),
        work_item: c.name(2),
        dry_run: c.one_in(2) && c.draft.owner(2) != Some(&Owner::Global),
        request_id: c.request_id(),
        ..Default::default()
    }
    .encode_to_vec()
}
