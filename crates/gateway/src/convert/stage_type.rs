//! Types of stages, under the same names on both sides.

use api::workflow as wire;
use workflow_core::model::StageType;

macro_rules! stage_types {
    ($($name:ident)+) => {
        /// The type of a stage to publish; `None` where none is named, or one that is unknown.
        pub(super) fn read(given: i32) -> Option<StageType> {
            match wire::StageType::try_from(given) {
                $(Ok(wire::StageType::$name) => Some(StageType::$name),)+
                Ok(wire::StageType::Unspecified) | Err(_) => None,
            }
        }

        /// The type of a stage as stored.
        pub(super) const fn shown(kind: StageType) -> wire::StageType {
            match kind {
                $(StageType::$name => wire::StageType::$name,)+
            }
        }
    };
}

// What one side lacks does not compile.
stage_types! {
    Human Automation Hybrid Ai Approval AgentAssist CodeReview TestEnrichment DocUpdate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_same_names_on_both_sides() {
        for kind in StageType::ALL {
            let shown = shown(*kind);
            assert_eq!(shown.as_str_name(), format!("STAGE_TYPE_{}", kind.as_str()));
            assert_eq!(read(shown.into()), Some(*kind));
        }
        assert_eq!((read(0), read(i32::MAX)), (None, None));
    }
}
