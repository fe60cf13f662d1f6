//! A real server with a random world in it, and hands to make more things there.
//!
//! Things are made by people who may: the steward of each owner. What a world has is kept as
//! facts, in the order in which it was made, so that a seed leads to the same choices.

use std::collections::BTreeMap;

use api::agent::ApplyRequest;
use api::agent::apply_request::Change;
use api::permissions::Visibility;
use api::workflow::{AddCommentRequest, Comment, Stage};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use testkit::world::shapes::{approval, assist, human, item, item_on, workflow};
use testkit::world::{Person as Line, Repo, World};

use crate::facts::{Owner, Person, Tables};
use crate::things::{Kind, Thing};

/// One world and what is known of it.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) tables: Tables,
    pub(crate) people: Vec<Person>,
    /// `teams/{uuid}`.
    pub(crate) teams: Vec<String>,
    pub(crate) things: Vec<Thing>,
    /// By user.
    pub(crate) lines: BTreeMap<String, Line>,
    /// Who may do everything on an owner's things, by user.
    pub(crate) stewards: BTreeMap<Owner, String>,
    /// Repositories on disk by name.
    pub(crate) repos: BTreeMap<String, Repo>,
    /// Folders that repositories can be registered from.
    pub(crate) roots: BTreeMap<Owner, std::path::PathBuf>,
    /// `roles/{uuid}` of the teams' own roles, by the name they have in the tables.
    pub(crate) role_names: BTreeMap<String, String>,
    /// The teams' own roles by team.
    pub(crate) team_roles: BTreeMap<String, Vec<String>>,
    /// The port for operators.
    pub(crate) operators: tonic::transport::Channel,
    pub(crate) made: usize,
}

impl Bench {
    pub(crate) fn line(&self, user: &str) -> &Line {
        &self.lines[user]
    }

    pub(crate) fn steward(&self, owner: &Owner) -> Line {
        self.lines[&self.stewards[owner]].clone()
    }

    /// Somebody with all that is known of them.
    fn known(&self, user: &str) -> String {
        let found = self.people.iter().find(|person| person.user == user);
        found.map_or_else(|| user.to_owned(), ToString::to_string)
    }

    /// Whether somebody is the steward of a team.
    pub(crate) fn keeps_a_team(&self, user: &str) -> bool {
        let mut stewards = self.stewards.iter();
        stewards.any(|(owner, steward)| matches!(owner, Owner::Team(_)) && steward == user)
    }

    /// Things of a kind that belong to an owner.
    pub(crate) fn of(&self, kind: Kind, owner: &Owner) -> impl Iterator<Item = &Thing> {
        let kind = kind.base();
        self.things.iter().filter(move |thing| thing.kind == kind && thing.owner == *owner)
    }

    /// Owners that have things of a kind, each with whom these are about.
    pub(crate) fn owners(&self, kind: Kind) -> Vec<(Owner, Option<Owner>)> {
        let of_kind = self.things.iter().filter(|thing| thing.kind == kind.base());
        let mut owners: Vec<_> =
            of_kind.map(|thing| (thing.owner.clone(), thing.about.clone())).collect();
        owners.sort();
        owners.dedup();
        owners
    }

    /// Any of the things that are there.
    pub(crate) fn pick(
        &self,
        rng: &mut StdRng,
        kind: Kind,
        owner: &Owner,
        about: Option<&Owner>,
    ) -> Option<Thing> {
        let fitting = self.of(kind, owner).filter(|thing| thing.about.as_ref() == about);
        fitting.collect::<Vec<_>>().choose(rng).map(|thing| (*thing).clone())
    }

    /// The owner's first live workflow whose items begin at a human stage, or at an agent's.
    fn flow(&self, owner: &Owner, agent: bool) -> Option<String> {
        let wanted = if agent { "advice" } else { "do" };
        let mut flows = self.of(Kind::Workflow, owner).filter(|thing| !thing.is_over);
        flows
            .find(|flow| flow.item.as_ref().is_some_and(|item| item.stage_id == wanted))
            .map(|flow| flow.name.clone())
    }

    fn repository(&self, owner: &Owner) -> Option<String> {
        self.of(Kind::Repository, owner).next().map(|thing| thing.name.clone())
    }

    /// A fresh thing in the state that its kind says, for a caller who may use it. `None`
    /// where none can be made.
    pub(crate) async fn make(
        &mut self,
        kind: Kind,
        owner: &Owner,
        about: Option<&Owner>,
        caller: &str,
    ) -> Option<Thing> {
        match kind {
            Kind::SpareUser | Kind::ToUpdateUser => Some(self.make_user().await),
            Kind::ToUpdateRole | Kind::SpareRole => Some(self.make_role(owner).await),
            Kind::ToUpdateTeam => Some(self.team_as_it_is(owner).await),
            Kind::Workflow | Kind::SpareWorkflow => Some(self.make_flow(owner, false).await),
            Kind::ToUpdateFlow
            | Kind::ToPause
            | Kind::ToResume
            | Kind::ToUndelete
            | Kind::ToTransfer => Some(self.make_flow_for(kind, owner).await),
            Kind::SpareTemplate => Some(self.make_template(owner).await),
            Kind::ToClaim | Kind::Item => self.make_item(owner).await,
            Kind::ToStart | Kind::ToComplete | Kind::ToCancel | Kind::Held => {
                let made = self.make_item(owner).await?;
                self.claimed(made, caller).await
            }
            Kind::Blocked | Kind::Closed => {
                let made = self.make_item(owner).await?;
                let held = self.claimed(made, caller).await?;
                let (line, item) = (self.line(caller), held.item.as_ref()?);
                let changed = if kind == Kind::Blocked {
                    line.blocks(item, "a part is missing").await
                } else {
                    line.cancels(item).await
                };
                Some(Thing { item: Some(changed.expect("his own item")), ..held })
            }
            Kind::ToStar => {
                let line = self.line(caller).clone();
                for starred in line.sees_starred().await.unwrap_or_default() {
                    line.unstars(&starred).await.expect("a star of his own");
                }
                Some(self.make_flow(owner, false).await)
            }
            Kind::ToReturn => {
                let flow = self.make_flow_of(owner, vec![human("do"), human("check")]).await;
                let made = self.make_item_in(owner, &flow.name).await;
                let followed = self.steward(owner).does(made.item.as_ref()?).await;
                let made = Thing { item: Some(followed.expect("a completed stage")), ..made };
                self.claimed(made, caller).await
            }
            Kind::ToDecide => Some(self.make_question(owner, caller).await),
            Kind::Advised | Kind::ToReview | Kind::ToRerun => self.make_advised(owner).await,
            Kind::Comment | Kind::ToUpdateComment | Kind::SpareComment => {
                self.make_comment(owner, caller).await
            }
            Kind::Session | Kind::SpareSession => {
                let repository = self.repository(about?)?;
                let opened = self.line(caller).opens_session(&repository).await.ok()?;
                let thing = Thing::new(Kind::Session, &opened.name, owner).about(about?);
                self.things.push(thing.clone());
                Some(thing)
            }
            Kind::Patch | Kind::ToRevert => self.make_patch(owner, about?, caller).await,
            _ => None,
        }
    }

    /// An item that waits for somebody's word, not its maker's.
    async fn make_question(&mut self, owner: &Owner, caller: &str) -> Thing {
        if matches!(owner, Owner::Person(_)) {
            let flow = self.make_flow(owner, false).await;
            return self.make_item_in(owner, &flow.name).await;
        }
        let flow = self.make_flow_of(owner, vec![approval("may")]).await;
        let others = self.lines.iter().filter(|(user, _)| *user != caller);
        for (_, line) in others {
            if let Ok(made) = line.creates_item(item(&flow.name, "May I")).await {
                let thing = Thing::of_item(Kind::Item, made, owner);
                self.things.push(thing.clone());
                return thing;
            }
        }
        self.make_item_in(owner, &flow.name).await
    }

    async fn claimed(&self, made: Thing, caller: &str) -> Option<Thing> {
        let claimed = self.line(caller).claims(made.item.as_ref()?).await;
        let claimed = claimed.unwrap_or_else(|status| {
            panic!("{} cannot claim a fresh {:?}: {status}", self.known(caller), made.owner)
        });
        Some(Thing { item: Some(claimed), ..made })
    }

    /// A live workflow: one human stage, or an agent stage before it.
    pub(crate) async fn make_flow(&mut self, owner: &Owner, agent: bool) -> Thing {
        let stages = if agent { vec![assist("advice"), human("do")] } else { vec![human("do")] };
        self.make_flow_of(owner, stages).await
    }

    async fn make_flow_of(&mut self, owner: &Owner, stages: Vec<Stage>) -> Thing {
        let first = stages[0].stage_id.clone();
        let team = if let Owner::Team(team) = owner { team.as_str() } else { "" };
        let mut asked = workflow("Flow", team, stages);
        if *owner == Owner::Global {
            asked.visibility = api::permissions::Visibility::Global.into();
        }
        let made = self.steward(owner).creates_workflow(asked).await;
        let made = made.unwrap_or_else(|status| panic!("no workflow for {owner}: {status}"));
        let marker = api::workflow::WorkItem { stage_id: first, ..Default::default() };
        let thing = Thing::new(Kind::Workflow, &made.name, owner);
        let thing = Thing { item: Some(marker), ..thing };
        self.things.push(thing.clone());
        thing
    }

    /// A template that is used up by the call.
    async fn make_template(&mut self, owner: &Owner) -> Thing {
        let flow = self.make_flow(owner, false).await;
        let (visibility, team) = match owner {
            Owner::Team(team) => (Visibility::Team, team.clone()),
            Owner::Person(_) => (Visibility::Personal, String::new()),
            Owner::Global => (Visibility::Global, String::new()),
        };
        let request = api::workflow::PublishTemplateRequest {
            workflow: flow.name,
            visibility: visibility.into(),
            team,
            ..Default::default()
        };
        let made = self.steward(owner).templates().publish_template(request).await;
        let made = made.unwrap_or_else(|status| panic!("no template for {owner}: {status}"));
        Thing::new(Kind::Template, &made.into_inner().name, owner)
    }

    /// A workflow that stays out of what is picked later: it is not in use as others are.
    async fn make_flow_for(&mut self, kind: Kind, owner: &Owner) -> Thing {
        let made = self.make_flow(owner, false).await;
        let steward = self.steward(owner);
        let changed = match kind {
            Kind::ToResume => steward.pauses(&made.name, "").await,
            Kind::ToUndelete => steward.deletes_workflow(&made.name).await,
            _ => steward.sees_workflow(&made.name).await,
        };
        let changed = changed.unwrap_or_else(|status| panic!("{kind:?} of {owner}: {status}"));
        self.things.retain(|thing| thing.name != made.name);
        Thing { etag: changed.etag, ..made }
    }

    async fn make_item(&mut self, owner: &Owner) -> Option<Thing> {
        let flow = self.flow(owner, false)?;
        Some(self.make_item_in(owner, &flow).await)
    }

    async fn make_item_in(&mut self, owner: &Owner, flow: &str) -> Thing {
        let made = self.steward(owner).creates_item(item(flow, "Do it")).await;
        let made = made.unwrap_or_else(|status| panic!("no item for {owner}: {status}"));
        let thing = Thing::of_item(Kind::Item, made, owner);
        self.things.push(thing.clone());
        thing
    }

    /// What a caller who may says about a fresh item.
    async fn make_comment(&mut self, owner: &Owner, caller: &str) -> Option<Thing> {
        let about = self.make_item(owner).await?;
        let comment = Comment { text: "Mind the step".into(), ..Default::default() };
        let request =
            AddCommentRequest { parent: about.name, comment: Some(comment), ..Default::default() };
        let made = self.line(caller).items().add_comment(request).await;
        let made = made.unwrap_or_else(|status| {
            panic!("{} cannot comment on an item of {owner}: {status}", self.known(caller))
        });
        let made = made.into_inner();
        let thing = Thing { etag: made.etag, ..Thing::new(Kind::Comment, &made.name, owner) };
        self.things.push(thing.clone());
        Some(thing)
    }

    /// An item at an agent stage whose recommendation waits for a verdict, its run and plan.
    pub(crate) async fn make_advised(&mut self, owner: &Owner) -> Option<Thing> {
        let (flow, repository) = (self.flow(owner, true)?, self.repository(owner)?);
        let steward = self.steward(owner);
        let asked = item_on(&flow, "Carts", "Carts forget", &repository);
        let made = steward.creates_item(asked).await;
        let made = made.unwrap_or_else(|status| panic!("no item for {owner}: {status}"));
        let made = steward.awaits_agent(&made.name).await;
        if let Some(advice) = &made.recommendation {
            self.things.push(Thing::new(Kind::Run, &advice.run, owner));
            self.things.push(Thing::new(Kind::Plan, &advice.plan, owner));
        }
        let thing = Thing::of_item(Kind::Advised, made, owner);
        self.things.push(thing.clone());
        Some(thing)
    }

    /// An applied patch on the repository of `about`, and its run. It belongs to its work
    /// item's owner, else to who made it.
    pub(crate) async fn make_patch(
        &mut self,
        owner: &Owner,
        about: &Owner,
        caller: &str,
    ) -> Option<Thing> {
        let repository = self.repository(about)?;
        let (line, work_item) = match owner {
            Owner::Person(_) => (self.line(caller).clone(), String::new()),
            _ => (self.steward(owner), self.of(Kind::Item, owner).next()?.name.clone()),
        };
        let asked = ApplyRequest {
            change: Some(Change::UnifiedDiff(self.diff(about)?)),
            repository,
            work_item,
            ..Default::default()
        };
        let made = line.applies(asked).await;
        let made = made.unwrap_or_else(|status| panic!("no patch for {owner}: {status}"));
        let (run, patch) = (made.run?, made.patch?);
        self.things.push(Thing::new(Kind::Run, &run.name, owner));
        let thing = Thing::new(Kind::Patch, &patch.name, owner).about(about);
        self.things.push(thing.clone());
        Some(thing)
    }

    /// A change that fits the owner's repository; each another one.
    pub(crate) fn diff(&mut self, owner: &Owner) -> Option<String> {
        self.made += 1;
        let repo = &self.repos[&self.repository(owner)?];
        Some(repo.diff_adding("README.md", &format!("More of it, {} times.", self.made)))
    }

    /// A repository on disk that the owner may register.
    pub(crate) fn unregistered(&mut self, owner: &Owner) -> Option<Repo> {
        self.made += 1;
        let root = self.roots.get(owner)?;
        Some(Repo::init(&root.join(format!("new-{}", self.made))))
    }

    /// A name of the kind that nothing has.
    pub(crate) fn absent(kind: Kind) -> String {
        World::unused(&format!("{}/x", kind.collection()))
    }

    /// One caller: now and then nobody, or somebody deactivated.
    pub(crate) fn caller(&self, rng: &mut StdRng) -> Option<usize> {
        let at = rng.random_range(0..=self.people.len());
        (at < self.people.len()).then_some(at)
    }
}
