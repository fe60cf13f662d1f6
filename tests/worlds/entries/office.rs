//! `elohim.audit.v1` and `elohim.admin.v1`.

use api::admin::*;
use api::audit::ListAuditEventsRequest;
use prost::Message as _;

use crate::entry::{Entry, on};
use crate::facts::{Need, Owner};
use crate::things::Kind;

const NOTHING: &str = "it names nothing";

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("audit.v1.AuditService/ListAuditEvents", &[on(Kind::Team).share(80)], |c| {
        ListAuditEventsRequest { team: c.name(0), page_size: c.page_size(), ..Default::default() }
            .encode_to_vec()
    }),
    Entry::new("admin.v1.AdminService/ListUsers", &[], |c| {
        ListUsersRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_not_found(NOTHING),
    Entry::new("admin.v1.AdminService/GetUser", &[on(Kind::User).metadata()], |c| {
        GetUserRequest { name: c.name(0) }.encode_to_vec()
    }),
    Entry::new("admin.v1.AdminService/ListUserWorkflows", &[on(Kind::User).metadata()], |c| {
        let (user, page_size) = (c.name(0), c.page_size());
        ListUserWorkflowsRequest { user, page_size, ..Default::default() }.encode_to_vec()
    }),
    Entry::new("admin.v1.AdminService/ListUserSessions", &[on(Kind::User).metadata()], |c| {
        let (user, page_size) = (c.name(0), c.page_size());
        ListUserSessionsRequest { user, page_size, ..Default::default() }.encode_to_vec()
    }),
    Entry::new("admin.v1.AdminService/ListAllRuns", &[], |c| {
        ListAllRunsRequest { page_size: c.page_size(), ..Default::default() }.encode_to_vec()
    })
    .never_not_found(NOTHING),
    Entry::new("admin.v1.AdminService/GetSystemOverview", &[], |_| {
        GetSystemOverviewRequest {}.encode_to_vec()
    })
    .never_not_found(NOTHING),
    // Lets the agent go on: a world that is stopped makes nothing to look at.
    Entry::new(
        "admin.v1.AdminService/SetKillSwitch",
        &[on(Kind::Switch).metadata().with(Need::RowOrBrackets)],
        |c| {
            let team = c.name(0);
            SetKillSwitchRequest { team, request_id: c.request_id(), ..Default::default() }
                .encode_to_vec()
        },
    )
    .adjusted(|draft| {
        if draft.owner(0) == Some(&Owner::Global) {
            draft.set_need(0, Need::Row);
        }
        true
    }),
];
