//! Items to be made at once.

use api::workflow as wire;
use primitives::{Checked, RepositoryId, WorkItemId};
use workflow_core::service::ItemInput;

use super::faults::Faults;
use super::item;

/// What one item of a batch names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) repository: Option<RepositoryId>,
    pub(crate) blocked_by: Vec<WorkItemId>,
}

/// New items of `parent`, each with the names in it.
pub(crate) fn inputs(
    parent: &str,
    requests: Vec<wire::CreateWorkItemRequest>,
    named: &[Named],
) -> Checked<Vec<ItemInput>> {
    let mut faults = Faults::default();
    let mut inputs = Vec::with_capacity(requests.len());
    for (at, (request, named)) in requests.into_iter().zip(named).enumerate() {
        let place = format!("requests[{at}]");
        let given = request.work_item.unwrap_or_default();
        if !given.workflow.is_empty() && given.workflow != parent {
            faults.note(format!("{place}.work_item.workflow"), "must be empty or `parent`");
        }
        if !request.request_id.is_empty() {
            faults.note(format!("{place}.request_id"), "must be empty: the batch has one");
        }
        let Named { repository, blocked_by } = named.clone();
        let input = item::input(given, repository, blocked_by);
        inputs.push(faults.take(input.map_err(|refused| refused.within(&place))));
    }
    faults.or(inputs)
}
