//! Services and methods, with the first sentences of their comments.

use anyhow::Context;
use prost::Message;
use prost_types::source_code_info::Location;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// One service of ours.
pub(super) struct Service {
    /// As in `elohim.agent.v1.AgentService`.
    pub name: String,
    pub comment: String,
    pub methods: Vec<Method>,
}

/// One method.
pub(super) struct Method {
    pub name: String,
    pub comment: String,
}

/// All services of the contract, in order.
pub(super) fn services() -> anyhow::Result<Vec<Service>> {
    let set = FileDescriptorSet::decode(api::DESCRIPTORS).context("the embedded descriptors")?;
    let ours = set.file.iter().filter(|file| file.package().starts_with("elohim."));
    let mut services: Vec<Service> = ours.flat_map(of_file).collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(services)
}

fn of_file(file: &FileDescriptorProto) -> Vec<Service> {
    let of_service = |(at, service): (usize, &prost_types::ServiceDescriptorProto)| Service {
        name: format!("{}.{}", file.package(), service.name()),
        comment: comment(file, &[6, at]),
        methods: service
            .method
            .iter()
            .enumerate()
            .map(|(number, method)| Method {
                name: method.name().to_owned(),
                comment: comment(file, &[6, at, 2, number]),
            })
            .collect(),
    };
    file.service.iter().enumerate().map(of_service).collect()
}

/// The first sentence of the comment at a path of the descriptor.
fn comment(file: &FileDescriptorProto, path: &[usize]) -> String {
    let is_there = |location: &&Location| {
        let found = location.path.iter().map(|part| usize::try_from(*part).ok());
        found.eq(path.iter().map(|part| Some(*part)))
    };
    let info = file.source_code_info.as_ref();
    let text = info.and_then(|info| info.location.iter().find(is_there));
    let text = text.map(Location::leading_comments).unwrap_or_default();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    line.get(..end).unwrap_or(&line).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_says_what_it_does() {
        let services = services().unwrap();
        assert!(services.len() >= 10);
        for service in services {
            assert!(!service.comment.is_empty(), "{}", service.name);
            for method in service.methods {
                assert!(method.comment.starts_with(&method.name), "{}", method.comment);
            }
        }
    }
}
