//! An empty database is given one founder, whoever asks how often at once.

use std::sync::Arc;

use audit::port::{AuditFilter, AuditPlace, AuditReader};
use directory::service::{FirstPerson, Slug, Subject, bootstrap};
use directory::store::{DirectoryStore, Reach};
use permissions::{Authorizer, DirectoryAdmin, PolicySource, TeamAdmin};
use primitives::{PageRequest, SystemClock, Tenant};

use super::connect;

fn first(subject: &str) -> FirstPerson {
    FirstPerson {
        subject: Subject::check("subject", subject).unwrap(),
        display_name: subject.to_uppercase(),
        team: Slug::check("team", "core").unwrap(),
        team_name: "Core".into(),
    }
}

testkit::on_both! {
    async fn of_many_who_come_first_one_does(db: TestDb) {
        let storage = connect(&db).await;
        let empty = storage.load_policy().await.unwrap();
        assert!(empty.users.is_empty());
        let comers: Vec<_> = (0..8)
            .map(|number| {
                let storage = storage.clone();
                let first = first(&format!("comer-{number}"));
                tokio::spawn(async move { bootstrap(&storage, &SystemClock, first).await.unwrap() })
            })
            .collect();
        let mut made = Vec::new();
        for comer in comers {
            made.extend(comer.await.unwrap());
        }
        assert_eq!(made.len(), 1, "{made:?}");
        let (user, team) = made.remove(0);

        let authorizer = Authorizer::start(Arc::new(storage.clone()), Arc::new(SystemClock)).await;
        let authorizer = authorizer.unwrap();
        assert!(authorizer.epoch() > empty.epoch);
        let caller = authorizer.caller(user.subject.as_deref().unwrap(), "first").unwrap();
        assert_eq!(caller.user(), user.id);
        caller.require::<DirectoryAdmin>().unwrap().admit_system().unwrap();
        assert!(caller.holds::<TeamAdmin>(Tenant::Team(team.id)));
        let reach = Reach::of(&caller);
        assert_eq!(storage.get_team(&reach, team.id).await.unwrap(), Some(team));
        let members = storage.list_teams(&reach, PageRequest::first()).await.unwrap();
        assert_eq!(members.items.len(), 1);

        let filter = AuditFilter {
            place: AuditPlace::Own(user.id),
            action_prefix: None,
            resource: None,
        };
        let page = PageRequest::first();
        let noted = storage.list_events(&caller.scope(), &filter, page).await.unwrap().items;
        let mut actions: Vec<_> = noted.iter().map(|event| event.action.as_str()).collect();
        actions.sort_unstable();
        assert_eq!(actions, ["team.created", "team.member.added", "user.created"]);
    }
}
