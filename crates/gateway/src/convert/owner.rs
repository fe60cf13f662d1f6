//! Whom something belongs to.

use api::permissions::Visibility;
use permissions::Caller;
use primitives::{Checked, InvalidArgs, TeamId, Tenant};

/// An owner on the wire: visibility, team, person.
pub(crate) fn shown(tenant: Tenant) -> (Visibility, String, String) {
    match tenant {
        Tenant::Team(team) => (Visibility::Team, team.to_string(), String::new()),
        Tenant::Person(user) => (Visibility::Personal, String::new(), user.to_string()),
        Tenant::Global => (Visibility::Global, String::new(), String::new()),
    }
}

/// Where a pair of `visibility` and `team` stands in a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerFields<'a> {
    pub(crate) visibility: i32,
    pub(crate) team: &'a str,
    /// As in `workflow.`; empty at the top.
    pub(crate) prefix: &'a str,
}

impl OwnerFields<'_> {
    /// For whom something is to be made: who is in one team only need not say.
    pub(crate) fn owner(self, caller: &Caller) -> Checked<Tenant> {
        match (self.chosen(caller)?, caller.teams()) {
            (Some(tenant), _) => Ok(tenant),
            (None, [only]) => Ok(Tenant::Team(only.team)),
            (None, _) => Err(self.fault("team", "name a team, or choose a visibility")),
        }
    }

    /// The owner that was chosen; `None` when nothing was said.
    pub(crate) fn chosen(self, caller: &Caller) -> Checked<Option<Tenant>> {
        let Ok(visibility) = Visibility::try_from(self.visibility) else {
            return Err(self.fault("visibility", "is not a known visibility"));
        };
        match (visibility, self.team) {
            (Visibility::Unspecified, "") => Ok(None),
            (Visibility::Personal, "") => Ok(Some(Tenant::Person(caller.user()))),
            (Visibility::Global, "") => Ok(Some(Tenant::Global)),
            (Visibility::Team, "") => Err(self.fault("team", "is required with TEAM")),
            (Visibility::Unspecified | Visibility::Team, team) => {
                let team: Result<TeamId, _> = team.parse();
                let team = team.map_err(|error| self.fault("team", &error.to_string()))?;
                Ok(Some(Tenant::Team(team)))
            }
            (Visibility::Personal | Visibility::Global, _) => {
                Err(self.fault("team", "is for the visibility TEAM only"))
            }
        }
    }

    fn fault(self, field: &str, description: &str) -> InvalidArgs {
        InvalidArgs::new(format!("{}{field}", self.prefix), description)
    }
}
