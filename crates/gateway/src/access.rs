//! Who may call which method and where: the access table, and what else is served.
//!
//! **Invariant:** a method of the contract that has no row is refused to everyone; what is
//! served at one port is no method at the other.

use std::collections::HashMap;

use permissions::{Caller, Denied, Key, Level};
use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::class::Class;

/// Liveness needs no credential; it says nothing but that the process serves.
const PUBLIC: [&str; 2] = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];

/// Any active user.
const AUTHENTICATED: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Package of what is served at the port for operators only.
const ADMIN_PACKAGE: &str = "/elohim.admin.";

/// Further ways in, which a row's `checked_on` names in brackets: holding either lets a call
/// come to its handler, which knows on what it holds. A refusal names the row's own.
const ALSO: [(&str, Key, Level); 5] = [
    ("/elohim.workflow.v1.WorkflowService/UpdateWorkflow", Key::WorkflowsCreate, Level::Write),
    ("/elohim.permissions.v1.DirectoryService/GetTeam", Key::DirectoryManage, Level::Read),
    ("/elohim.permissions.v1.DirectoryService/ListMembers", Key::DirectoryManage, Level::Read),
    ("/elohim.permissions.v1.DirectoryService/AddMember", Key::DirectoryManage, Level::Write),
    ("/elohim.admin.v1.AdminService/SetKillSwitch", Key::TeamManage, Level::Admin),
];

/// Which port a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// For everybody: all packages but one.
    Tenants,
    /// For operators: `elohim.admin.v1` and nothing else of ours.
    Operators,
}

impl Side {
    /// Whether a path is served here. Liveness and reflection are at both.
    pub(crate) fn serves(self, path: &str) -> bool {
        let is_ours = path.starts_with("/elohim.");
        !is_ours || (self == Self::Operators) == path.starts_with(ADMIN_PACKAGE)
    }
}

/// Streams among these.
const STREAMS: [&str; 3] = [
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Methods that need nothing stored to answer. Streams are like them.
const UNMET: [&str; 2] =
    ["/elohim.agent.v1.AgentService/Route", "/elohim.agent.v1.AgentService/ListEngines"];

/// What a call needs before anything of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// A credential.
    AnyUser,
    /// A credential of somebody who holds this somewhere, or the other, where there is one.
    Requires(Key, Level, Option<(Key, Level)>),
    /// In the contract, but not in the table: nobody may call it.
    Unlisted,
}

/// One method that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// `/package.Service/Method`.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// What it costs.
    pub(crate) class: Class,
    /// Whether its answer is a stream, which lives on after its head.
    pub(crate) streams: bool,
    /// Whether its handler may answer without having met the database, which tells whoever
    /// comes with outdated rights.
    pub(crate) unmet: bool,
}

impl Access {
    /// What is missing for this caller to come in, `None` if nothing is.
    pub(crate) fn missing(self, caller: &Caller) -> Option<Missing> {
        match self {
            Self::Public | Self::AnyUser => None,
            Self::Requires(key, level, also) => {
                let ways = [Some((key, level)), also].into_iter().flatten();
                let comes_in =
                    ways.into_iter().any(|(key, level)| caller.holds_somewhere(key, level));
                (!comes_in).then_some(Missing::Permission(Denied { key, level, tenant: None }))
            }
            Self::Unlisted => Some(Missing::Row),
        }
    }
}

/// Why a caller may not call a method at all.
#[derive(Clone, Debug)]
pub(crate) enum Missing {
    /// He holds this nowhere.
    Permission(Denied),
    /// Nobody may: the table has no row.
    Row,
}

/// The access table does not fit the contract; the server must not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTableError {
    /// A row cannot be read.
    #[error("access table, row {0}: {1}")]
    Row(usize, String),
    /// The descriptors cannot be read.
    #[error("the descriptor set cannot be read: {0}")]
    Descriptors(String),
    /// A row names a method that the contract does not have.
    #[error("access table: {0} is not in the contract")]
    NoSuchMethod(String),
}

/// All methods by path. Made once and kept for the life of the process.
#[derive(Debug)]
pub(crate) struct Methods(HashMap<&'static str, &'static Method>);

impl Methods {
    /// Reads the table beside the protos.
    pub(crate) fn load() -> Result<Self, AccessTableError> {
        Self::parse(api::ACCESS_TABLE, api::DESCRIPTORS)
    }

    fn parse(table: &str, descriptors: &[u8]) -> Result<Self, AccessTableError> {
        let set = FileDescriptorSet::decode(descriptors)
            .map_err(|error| AccessTableError::Descriptors(error.to_string()))?;
        let mut methods: HashMap<String, (Access, bool)> = rpcs(&set)
            .into_iter()
            .map(|(path, streams)| (path, (Access::Unlisted, streams)))
            .collect();
        for (path, access) in rows(table)? {
            match methods.get_mut(&path) {
                Some(place) => place.0 = access,
                None => return Err(AccessTableError::NoSuchMethod(path)),
            }
        }
        let fixed = PUBLIC.map(|path| (path, Access::Public)).into_iter();
        let fixed = fixed.chain(AUTHENTICATED.map(|path| (path, Access::AnyUser)));
        for (path, access) in fixed {
            methods.insert(path.to_owned(), (access, STREAMS.contains(&path)));
        }
        Ok(Self(
            methods
                .into_iter()
                .map(|(path, (access, streams))| kept(path, access, streams))
                .collect(),
        ))
    }

    /// The method with this path, if it is served on this side.
    pub(crate) fn find(&self, side: Side, path: &str) -> Option<&'static Method> {
        self.0.get(path).copied().filter(|method| side.serves(method.path))
    }
}

/// Paths outlive every request, and there are some hundred of them.
fn kept(path: String, access: Access, streams: bool) -> (&'static str, &'static Method) {
    let path: &'static str = path.leak();
    let unmet = streams || UNMET.contains(&path);
    let method = Method { path, access, class: Class::of(path), streams, unmet };
    (path, Box::leak(Box::new(method)))
}

/// The paths of all methods in a descriptor set, and whether they answer with a stream.
fn rpcs(set: &FileDescriptorSet) -> Vec<(String, bool)> {
    let mut paths = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let names = (file.package(), service.name(), method.name());
                let path = format!("/{}.{}/{}", names.0, names.1, names.2);
                paths.push((path, method.server_streaming()));
            }
        }
    }
    paths
}

fn rows(table: &str) -> Result<Vec<(String, Access)>, AccessTableError> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let rows = reader.records().enumerate().map(|(at, record)| {
        let fault = |what: String| AccessTableError::Row(at + 2, what);
        let record = record.map_err(|error| fault(error.to_string()))?;
        row(&record).ok_or_else(|| fault("expected package,service,method,key,level,…".into()))
    });
    rows.collect()
}

fn row(record: &csv::StringRecord) -> Option<(String, Access)> {
    let cell = |at| record.get(at).map(str::trim).filter(|cell| !cell.is_empty());
    let (package, service, method) = (cell(0)?, cell(1)?, cell(2)?);
    let path = format!("/elohim.{package}.v1.{service}/{method}");
    let access = match cell(3)? {
        "any" => Access::AnyUser,
        key => {
            let also = ALSO.iter().find(|(other, ..)| *other == path);
            let also = also.map(|(_, key, level)| (*key, *level));
            Access::Requires(Key::parse(key)?, Level::parse(cell(4)?)?, also)
        }
    };
    Some((path, access))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::LONG;

    #[test]
    fn every_rpc_is_listed() {
        let methods = Methods::load().unwrap();
        let unlisted: Vec<_> =
            methods.0.values().filter(|method| method.access == Access::Unlisted).collect();
        assert!(unlisted.is_empty(), "{unlisted:?}");
        let set = FileDescriptorSet::decode(api::DESCRIPTORS).unwrap();
        let listed = rows(api::ACCESS_TABLE).unwrap();
        assert_eq!(rpcs(&set).len(), listed.len(), "one row for each method");
    }

    #[test]
    fn the_long_methods_are_methods() {
        let methods = Methods::load().unwrap();
        for path in LONG {
            let class = methods.find(Side::Tenants, path).map(|method| method.class);
            assert_eq!(class, Some(Class::Long), "{path}");
        }
    }

    #[test]
    fn each_side_serves_its_own_and_both_serve_what_is_not_ours() {
        for (path, tenants, operators) in [
            ("/elohim.agent.v1.AgentService/Plan", true, false),
            ("/elohim.admin.v1.AdminService/ListUsers", false, true),
            ("/elohim.administration.v1.S/M", true, false),
            ("/grpc.health.v1.Health/Check", true, true),
            (AUTHENTICATED[0], true, true),
        ] {
            assert_eq!(Side::Tenants.serves(path), tenants, "{path}");
            assert_eq!(Side::Operators.serves(path), operators, "{path}");
        }
        let methods = Methods::load().unwrap();
        let plan = "/elohim.agent.v1.AgentService/Plan";
        assert!(methods.find(Side::Tenants, plan).is_some());
        assert!(methods.find(Side::Operators, plan).is_none());
        for path in STREAMS {
            assert!(methods.find(Side::Operators, path).is_some_and(|method| method.streams));
        }
    }

    #[test]
    fn a_further_way_in_belongs_to_a_row_that_names_one() {
        for record in csv::Reader::from_reader(api::ACCESS_TABLE.as_bytes()).records() {
            let record = record.unwrap();
            let (path, access) = row(&record).unwrap();
            let Some((_, key, level)) = ALSO.iter().find(|(also, ..)| *also == path) else {
                continue;
            };
            let checked_on = record.get(5).unwrap();
            assert!(
                checked_on.contains(&format!("({}", key.name()))
                    || checked_on.contains(&format!(": {}", key.name())),
                "{path}: {checked_on}"
            );
            assert!(matches!(access, Access::Requires(_, _, Some(also)) if also == (*key, *level)));
        }
    }

    #[test]
    fn a_method_without_a_row_is_unlisted_and_an_unknown_one_is_nothing() {
        let table =
            "package,service,method,key,level\naudit,AuditService,ListAuditEvents,any,READ\n";
        let methods = Methods::parse(table, api::DESCRIPTORS).unwrap();
        let of = |path| methods.find(Side::Tenants, path).map(|method| method.access);
        assert_eq!(of("/elohim.audit.v1.AuditService/ListAuditEvents"), Some(Access::AnyUser));
        assert_eq!(of("/elohim.agent.v1.AgentService/Plan"), Some(Access::Unlisted));
        assert_eq!(of("/grpc.health.v1.Health/Check"), Some(Access::Public));
        assert_eq!(of("/grpc.health.v1.Health/List"), None);
        assert_eq!(of("/elohim.agent.v1.AgentService/plan"), None);
    }

    #[test]
    fn a_broken_table_is_an_error() {
        let header = "package,service,method,key,level\n";
        for (row, expected) in [
            ("agent,AgentService,Fly,any,READ", "is not in the contract"),
            ("agent,AgentService,Plan,code.fly,WRITE", "row 2"),
            ("agent,AgentService,Plan,code.use,MUCH", "row 2"),
            ("agent,AgentService", "row 2"),
        ] {
            let error = Methods::parse(&format!("{header}{row}\n"), api::DESCRIPTORS).unwrap_err();
            assert!(error.to_string().contains(expected), "{row}: {error}");
        }
    }
}
