//! What the type of a stage decides.
//!
//! **Invariant:** one row of the table below decides everything about a type. Nothing else asks
//! whether a stage is of this type or that, but for what is decided.

use serde::{Deserialize, Serialize};

/// What a type decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Entering it runs the agent.
    pub runs_agent: bool,
    pub passing: Passing,
    /// Whether this version can publish it.
    pub supported: bool,
}

/// Who gets items past a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Whoever claimed the item, or was given it.
    Assignee,
    /// Whoever has the permission, without a claim.
    Anyone,
    /// People who are not its authors, by votes; nobody claims it.
    Votes,
}

const PEOPLE: Traits = Traits { runs_agent: false, passing: Passing::Assignee, supported: true };
const AGENT: Traits = Traits { runs_agent: true, passing: Passing::Anyone, supported: true };
const LATER: Traits = Traits { supported: false, ..PEOPLE };

/// The enum, its names and its traits out of one row a type.
macro_rules! stage_types {
    ($($(#[$doc:meta])+ $variant:ident $name:literal $traits:expr;)+) => {
        /// What is expected at a stage.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum StageType {
            $($(#[$doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl StageType {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stored and displayed text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            pub const fn traits(self) -> Traits {
                match self {
                    $(Self::$variant => $traits,)+
                }
            }
        }
    };
}

stage_types! {
    /// A person works on the item.
    Human "HUMAN" PEOPLE;
    /// The server acts by itself.
    Automation "AUTOMATION" LATER;
    /// A person works on it with what the agent proposed.
    Hybrid "HYBRID" Traits { runs_agent: true, ..PEOPLE };
    /// A model answers.
    Ai "AI" LATER;
    /// Others decide.
    Approval "APPROVAL" Traits { passing: Passing::Votes, ..PEOPLE };
    /// The agent proposes how to do it.
    AgentAssist "AGENT_ASSIST" AGENT;
    /// The agent judges a change.
    CodeReview "CODE_REVIEW" AGENT;
    /// The agent proposes tests.
    TestEnrichment "TEST_ENRICHMENT" AGENT;
    /// The agent proposes changes to documents.
    DocUpdate "DOC_UPDATE" AGENT;
}

impl StageType {
    /// Entering it runs the agent.
    pub const fn runs_agent(self) -> bool {
        self.traits().runs_agent
    }

    /// Whoever has the permission completes it, without a claim.
    pub const fn is_unclaimed(self) -> bool {
        matches!(self.traits().passing, Passing::Anyone)
    }

    /// The agent's alone: people only look at what it brought.
    pub const fn is_agents(self) -> bool {
        self.runs_agent() && self.is_unclaimed()
    }

    /// People vote; nobody claims an item there.
    pub const fn is_voted(self) -> bool {
        matches!(self.traits().passing, Passing::Votes)
    }

    /// Whether this version can publish it.
    pub const fn supported(self) -> bool {
        self.traits().supported
    }

    /// The names of those that this version can publish, as in `HUMAN, HYBRID`.
    pub fn supported_names() -> String {
        let supported = Self::ALL.iter().filter(|kind| kind.supported());
        supported.map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_types_are_their_stored_form() {
        for kind in StageType::ALL {
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, serde_json::json!(kind.as_str()));
        }
    }

    /// Definitions are stored: what a type decides must not change unnoticed.
    #[test]
    fn the_table_of_types() {
        let row = |kind: &StageType| {
            let Traits { runs_agent, passing, supported } = kind.traits();
            let agent = if runs_agent { "agent" } else { "" };
            let later = if supported { "" } else { "later" };
            let passing = format!("{passing:?}");
            format!("{:<17}{agent:<7}{passing:<10}{later}", kind.as_str()).trim_end().to_owned()
        };
        let table: Vec<_> = StageType::ALL.iter().map(row).collect();
        let expected = [
            "HUMAN                   Assignee",
            "AUTOMATION              Assignee  later",
            "HYBRID           agent  Assignee",
            "AI                      Assignee  later",
            "APPROVAL                Votes",
            "AGENT_ASSIST     agent  Anyone",
            "CODE_REVIEW      agent  Anyone",
            "TEST_ENRICHMENT  agent  Anyone",
            "DOC_UPDATE       agent  Anyone",
        ];
        assert_eq!(table, expected);
    }
}
