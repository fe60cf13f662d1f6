//! What a call costs, by class: the one place that says which method is of which.
//!
//! The classes order what is given up first when the server has too much to do, and carry
//! how often one caller may make such calls. **Invariant:** every method has exactly one
//! class; a new method is a mutation until its name says that it only reads.

/// The cost of a call. From what is never given up to what is given up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Liveness: never shed, never limited.
    Health,
    /// What operators do when things go wrong: shed last.
    Admin,
    /// Reads one thing.
    Read,
    /// Changes something, quickly.
    Mutation,
    /// Reads many things.
    List,
    /// Describes the contract to tools.
    Reflection,
    /// May ask a model or wait for a run.
    Long,
}

/// Methods that may ask a model or wait for a run.
pub(crate) const LONG: [&str; 4] = [
    "/elohim.agent.v1.AgentService/BuildContext",
    "/elohim.agent.v1.AgentService/Plan",
    "/elohim.agent.v1.AgentService/Apply",
    "/elohim.agent.v1.PatchService/RevertPatch",
];

/// Beginnings of the names of methods that read one thing…
const READS: [&str; 5] = ["Get", "Check", "BatchCheck", "Explain", "Preview"];
/// …and of those that read many. Watching begins with reading what there is.
const LISTS: [&str; 4] = ["List", "Export", "Watch", "Verify"];
/// Reads whose names do not say so: figures over many rows, and a rule over a text.
const ODD: [(&str, Class); 2] = [
    ("/elohim.workflow.v1.AnalyticsService/GetWorkflowAnalytics", Class::List),
    ("/elohim.agent.v1.AgentService/Route", Class::Read),
];

impl Class {
    /// All that are limited.
    pub const LIMITED: [Self; 6] =
        [Self::Admin, Self::Read, Self::Mutation, Self::List, Self::Reflection, Self::Long];

    /// As in the configuration, and in the table that replicas share.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Admin => "admin",
            Self::Read => "read",
            Self::Mutation => "mutation",
            Self::List => "list",
            Self::Reflection => "reflection",
            Self::Long => "long",
        }
    }

    /// The class of a method by its path, `/package.Service/Method`. A path that names no
    /// method is a read: it costs a look into a table.
    pub(crate) fn of(path: &str) -> Self {
        let odd = ODD.iter().find(|(odd, _)| *odd == path).map(|(_, class)| *class);
        let Some((service, method)) = path.trim_start_matches('/').split_once('/') else {
            return Self::Read;
        };
        let begins = |with: &[&str]| with.iter().any(|word| begins_with_word(method, word));
        match odd {
            Some(class) => class,
            None if service == "grpc.health.v1.Health" => Self::Health,
            None if service.starts_with("grpc.reflection.") => Self::Reflection,
            None if service.starts_with("elohim.admin.") => Self::Admin,
            None if LONG.contains(&path) => Self::Long,
            None if begins(&LISTS) => Self::List,
            None if begins(&READS) => Self::Read,
            None => Self::Mutation,
        }
    }
}

/// `Get` begins `GetMe`, and not `Getaway`.
fn begins_with_word(name: &str, word: &str) -> bool {
    let rest = name.strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_call_costs() {
        for (path, class) in [
            ("/grpc.health.v1.Health/Check", Class::Health),
            ("/grpc.health.v1.Health/Watch", Class::Health),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Class::Reflection),
            ("/elohim.admin.v1.AdminService/ListUsers", Class::Admin),
            ("/elohim.admin.v1.AdminService/SetKillSwitch", Class::Admin),
            ("/elohim.agent.v1.AgentService/Plan", Class::Long),
            ("/elohim.agent.v1.AgentService/Route", Class::Read),
            ("/elohim.agent.v1.RunService/GetRun", Class::Read),
            ("/elohim.agent.v1.RunService/WatchRun", Class::List),
            ("/elohim.workflow.v1.AnalyticsService/GetWorkflowAnalytics", Class::List),
            ("/elohim.workflow.v1.WorkItemService/ListWorkItems", Class::List),
            ("/elohim.workflow.v1.WorkItemService/ClaimWorkItem", Class::Mutation),
            ("/elohim.permissions.v1.PermissionService/BatchCheckPermissions", Class::Read),
            ("/elohim.x.v1.S/Getaway", Class::Mutation),
            ("", Class::Read),
            ("unknown", Class::Read),
        ] {
            assert_eq!(Class::of(path), class, "{path}");
        }
    }
}
