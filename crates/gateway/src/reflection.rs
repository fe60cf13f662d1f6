//! The contract as tools ask for it: at each port, what is served there.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::FileDescriptorProto;
use tonic::service::RoutesBuilder;

use crate::access::Side;

/// Services that are at every port.
const EVERYWHERE: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// A `FileDescriptorSet` with its files as they are: decoding would drop options that only
/// tools know.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

/// What one port serves: its services, and the files that describe them.
pub(crate) struct Described {
    services: Vec<String>,
    encoded: Vec<u8>,
}

impl Described {
    /// The part of a descriptor set that is about one side.
    pub(crate) fn of(side: Side, descriptors: &[u8]) -> Result<Self, prost::DecodeError> {
        let mut files = Vec::new();
        for raw in Files::decode(descriptors)?.file {
            files.push((FileDescriptorProto::decode(raw.as_slice())?, raw));
        }
        let mut services = Vec::new();
        let mut wanted = BTreeSet::new();
        for (file, _) in &files {
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                if side.serves(&format!("/{name}/")) {
                    services.push(name);
                    wanted.insert(file.name().to_owned());
                }
            }
        }
        // What they import, until nothing is added.
        loop {
            let before = wanted.len();
            for (file, _) in &files {
                if wanted.contains(file.name()) {
                    wanted.extend(file.dependency.iter().cloned());
                }
            }
            if wanted.len() == before {
                break;
            }
        }
        let file = files.into_iter().filter(|(file, _)| wanted.contains(file.name()));
        let encoded = Files { file: file.map(|(_, raw)| raw).collect() }.encode_to_vec();
        Ok(Self { services, encoded })
    }

    /// Adds both versions of the service: many tools still ask for the older one.
    pub(crate) fn add_to(
        &self,
        routes: &mut RoutesBuilder,
    ) -> Result<(), tonic_reflection::server::Error> {
        let configured = || {
            let empty = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(&self.encoded)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // Tools show the details of errors only if they are told what they are.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
            let names = self.services.iter().map(String::as_str).chain(EVERYWHERE);
            names.fold(empty, tonic_reflection::server::Builder::with_service_name)
        };
        routes.add_service(configured().build_v1()?);
        routes.add_service(configured().build_v1alpha()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_describes_what_it_serves() {
        let tenants = Described::of(Side::Tenants, api::DESCRIPTORS).unwrap();
        assert!(tenants.services.contains(&"elohim.agent.v1.AgentService".to_owned()));
        assert!(!tenants.services.iter().any(|name| name.starts_with("elohim.admin.")));
        let operators = Described::of(Side::Operators, api::DESCRIPTORS).unwrap();
        assert!(operators.services.iter().all(|name| name.starts_with("elohim.admin.")));
        for described in [&tenants, &operators] {
            let files = Files::decode(described.encoded.as_slice()).unwrap().file;
            let names: BTreeSet<_> = files
                .iter()
                .map(|raw| FileDescriptorProto::decode(raw.as_slice()).unwrap())
                .flat_map(|file| {
                    assert!(
                        file.source_code_info.is_some() || file.package().starts_with("google")
                    );
                    let imports = file.dependency.clone();
                    [vec![file.name().to_owned()], imports].concat()
                })
                .collect();
            assert_eq!(names.len(), files.len(), "all imports are there");
            described.add_to(&mut tonic::service::Routes::builder()).unwrap();
        }
        let hidden = b"elohim/admin/v1/admin.proto";
        assert!(!tenants.encoded.windows(hidden.len()).any(|window| window == hidden));
    }
}
