//! Judges several items that are to be made at once.

use std::collections::BTreeMap;

use primitives::Checked;

use super::faults::Faults;
use super::item;
use crate::model::ItemInput;

/// Items made at once.
pub const BATCH: usize = 200;

/// Judges new items of one workflow, each as [`item`] does; faults say whose they are.
pub fn items(inputs: Vec<ItemInput>) -> Checked<Vec<ItemInput>> {
    let mut faults = Faults::default();
    if inputs.is_empty() || inputs.len() > BATCH {
        faults.note("requests", format!("must be 1 to {BATCH}"));
        return faults.finish(Vec::new());
    }
    let mut judged = Vec::with_capacity(inputs.len());
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for (at, input) in inputs.into_iter().enumerate() {
        let place = format!("requests[{at}]");
        let input = faults.take(item(input).map_err(|refused| refused.within(&place)));
        if !input.external_id.is_empty() {
            let first = *taken.entry(input.external_id.clone()).or_insert(at);
            if first != at {
                let field = format!("{place}.work_item.external_id");
                faults.note(field, format!("is that of requests[{first}], too"));
            }
        }
        judged.push(input);
    }
    faults.finish(judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled(title: &str, external_id: &str) -> ItemInput {
        let (title, external_id) = (title.to_owned(), external_id.to_owned());
        ItemInput { title, external_id, ..ItemInput::default() }
    }

    fn fields(inputs: Vec<ItemInput>) -> Vec<String> {
        let refused = items(inputs).unwrap_err();
        refused.fields.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn faults_say_which_item_is_meant() {
        assert!(items(vec![titled(" a ", "x"), titled("b", ""), titled("c", "")]).is_ok());
        assert_eq!(fields(vec![titled("a", ""), titled("", "")]), ["requests[1].work_item.title"]);
        let twice = vec![titled("a", "x"), titled("b", " x "), titled("", "x")];
        let named = ["requests[1].work_item.external_id", "requests[2].work_item.title"];
        assert_eq!(fields(twice)[..2], named);
    }

    #[test]
    fn there_are_some_and_not_too_many() {
        assert_eq!(fields(Vec::new()), ["requests"]);
        let many = |number| (0..number).map(|_| titled("a", "")).collect::<Vec<_>>();
        assert!(items(many(BATCH)).is_ok());
        assert_eq!(fields(many(BATCH + 1)), ["requests"]);
    }

    #[test]
    fn a_reason_of_its_own_is_kept() {
        let mut reserved = titled("a", "");
        reserved.data.insert("agent_event".into(), 1.into());
        let refused = items(vec![titled("", ""), reserved]).unwrap_err();
        assert_eq!((refused.reason, refused.fields.len()), ("RESERVED_KEY", 2));
    }
}
