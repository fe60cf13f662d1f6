//! Who may call which method: the access table, and what else is served.
//!
//! **Invariant:** a method of the contract that has no row is refused to everyone.

use std::collections::HashMap;

use permissions::{Key, Level};
use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Methods that may ask a model or wait for a run.
const LONG: [&str; 4] = [
    "/elohim.agent.v1.AgentService/BuildContext",
    "/elohim.agent.v1.AgentService/Plan",
    "/elohim.agent.v1.AgentService/Apply",
    "/elohim.agent.v1.PatchService/RevertPatch",
];

/// Liveness needs no credential; it says nothing but that the process serves.
const PUBLIC: [&str; 2] = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];

/// Any active user.
const AUTHENTICATED: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// What a call needs before anything of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// A credential.
    AnyUser,
    /// A credential of somebody who holds this somewhere.
    Requires(Key, Level),
    /// In the contract, but not in the table: nobody may call it.
    Unlisted,
}

/// One method that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// `/package.Service/Method`.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// The deadline class.
    pub(crate) long: bool,
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
        let mut methods: HashMap<String, Access> =
            rpc_paths(&set).into_iter().map(|path| (path, Access::Unlisted)).collect();
        for (path, access) in rows(table)? {
            match methods.get_mut(&path) {
                Some(place) => *place = access,
                None => return Err(AccessTableError::NoSuchMethod(path)),
            }
        }
        let fixed = PUBLIC.map(|path| (path, Access::Public)).into_iter();
        let fixed = fixed.chain(AUTHENTICATED.map(|path| (path, Access::AnyUser)));
        methods.extend(fixed.map(|(path, access)| (path.to_owned(), access)));
        Ok(Self(methods.into_iter().map(|(path, access)| kept(path, access)).collect()))
    }

    pub(crate) fn find(&self, path: &str) -> Option<&'static Method> {
        self.0.get(path).copied()
    }
}

/// Paths outlive every request, and there are some forty of them.
fn kept(path: String, access: Access) -> (&'static str, &'static Method) {
    let path: &'static str = path.leak();
    let method = Method { path, access, long: LONG.contains(&path) };
    (path, Box::leak(Box::new(method)))
}

/// The paths of all methods in a descriptor set.
fn rpc_paths(set: &FileDescriptorSet) -> Vec<String> {
    let mut paths = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let names = (file.package(), service.name(), method.name());
                paths.push(format!("/{}.{}/{}", names.0, names.1, names.2));
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
    let access = match cell(3)? {
        "any" => Access::AnyUser,
        key => Access::Requires(Key::parse(key)?, Level::parse(cell(4)?)?),
    };
    Some((format!("/elohim.{package}.v1.{service}/{method}"), access))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_is_listed() {
        let methods = Methods::load().unwrap();
        let unlisted: Vec<_> =
            methods.0.values().filter(|method| method.access == Access::Unlisted).collect();
        assert!(unlisted.is_empty(), "{unlisted:?}");
        let set = FileDescriptorSet::decode(api::DESCRIPTORS).unwrap();
        let listed = rows(api::ACCESS_TABLE).unwrap();
        assert_eq!(rpc_paths(&set).len(), listed.len(), "one row for each method");
    }

    #[test]
    fn the_long_methods_are_methods() {
        let methods = Methods::load().unwrap();
        for path in LONG {
            assert!(methods.find(path).is_some_and(|method| method.long), "{path}");
        }
    }

    #[test]
    fn a_method_without_a_row_is_unlisted_and_an_unknown_one_is_nothing() {
        let table =
            "package,service,method,key,level\naudit,AuditService,ListAuditEvents,any,READ\n";
        let methods = Methods::parse(table, api::DESCRIPTORS).unwrap();
        let of = |path| methods.find(path).map(|method| method.access);
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
