//! Keys, levels, and a set of both in one word.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much of a key is held. Each level includes the lower ones.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// Look.
    Read,
    /// Change.
    Write,
    /// Everything, including handing it on.
    Admin,
}

impl Level {
    /// All levels that can be granted, lowest first.
    pub const GRANTABLE: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The text in policy files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Admin => "ADMIN",
        }
    }

    /// Reads [`Level::name`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Read, Self::Write, Self::Admin].into_iter().find(|l| l.name() == text)
    }
}

macro_rules! keys {
    ($($key:ident = $name:literal, $about:literal;)*) => {
        /// What a permission is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Key { $(#[doc = $about] $key,)* }

        impl Key {
            /// Every key.
            pub const ALL: &'static [Self] = &[$(Self::$key,)*];

            /// The dotted text of the key.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$key => $name,)* }
            }

            /// What it is about, for people.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$key => $about,)* }
            }

            /// Reads [`Key::name`] back.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|key| key.name() == text)
            }
        }
    };
}

keys! {
    WorkflowsView = "workflows.view", "See workflows and their items.";
    WorkflowsCreate = "workflows.create", "Create workflows and items.";
    WorkflowsEdit = "workflows.edit", "Move items.";
    WorkflowsManage = "workflows.manage", "Change definitions, triggers and the auto-apply flag; act for others.";
    WorkflowsDelete = "workflows.delete", "Delete workflows.";
    AnalyticsView = "analytics.view", "See analytics.";
    CodeUse = "code.use", "Use the agent, read sources through it.";
    CodeEdit = "code.edit", "Apply, land and revert patches.";
    RepositoriesManage = "repositories.manage", "Register and remove repositories.";
    TeamManage = "team.manage", "Change a team.";
    AuditRead = "audit.read", "Read audit records.";
    AuditExport = "audit.export", "Export audit records.";
    LearningUse = "learning.use", "Use what the system learned.";
    DirectoryManage = "directory.manage", "Manage people and teams.";
    AdminSupport = "admin.support", "Support with metadata.";
    AdminOps = "admin.ops", "Operate the system.";
    GlobalManage = "global.manage", "Maintain what is everyone's.";
}

impl Key {
    /// Whether the key counts system-wide only: no team's role may grant it.
    pub const fn is_system(self) -> bool {
        matches!(
            self,
            Self::DirectoryManage | Self::AdminSupport | Self::AdminOps | Self::GlobalManage
        )
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A level for each key: two bits a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Levels(u64);

/// As an object from key to level, as in `{"workflows.view": "READ"}`.
impl Serialize for Levels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.held().map(|(key, level)| (key.name(), level)))
    }
}

impl<'de> Deserialize<'de> for Levels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let held = BTreeMap::<String, Level>::deserialize(deserializer)?;
        held.into_iter().try_fold(Self::NONE, |levels, (key, level)| {
            let unknown = || D::Error::custom(format!("unknown key {key}"));
            Ok(levels.with(Key::parse(&key).ok_or_else(unknown)?, level))
        })
    }
}

impl Levels {
    /// Holds nothing.
    pub const NONE: Self = Self(0);

    /// The level of one key.
    pub const fn of(self, key: Key) -> Level {
        match (self.0 >> (key as u64 * 2)) & 0b11 {
            0 => Level::None,
            1 => Level::Read,
            2 => Level::Write,
            _ => Level::Admin,
        }
    }

    /// Whether `key` is held at `level` or above.
    pub fn has(self, key: Key, level: Level) -> bool {
        self.of(key) >= level
    }

    /// The same with one key raised to at least `level`.
    #[must_use]
    pub fn with(self, key: Key, level: Level) -> Self {
        let shift = key as u64 * 2;
        let level = level.max(self.of(key)) as u64;
        Self((self.0 & !(0b11 << shift)) | (level << shift))
    }

    /// The keys that are held, each with its level.
    pub fn held(self) -> impl Iterator<Item = (Key, Level)> {
        Key::ALL
            .iter()
            .map(move |key| (*key, self.of(*key)))
            .filter(|(_, level)| *level != Level::None)
    }

    /// Without the keys that count system-wide only.
    #[must_use]
    pub fn in_team(self) -> Self {
        self.held()
            .filter(|(key, _)| !key.is_system())
            .fold(Self::NONE, |levels, (key, level)| levels.with(key, level))
    }

    /// The higher level of each key.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Key::ALL.iter().fold(self, |levels, key| levels.with(*key, other.of(*key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn union_takes_the_higher_level_of_each_key() {
        let a = Levels::NONE.with(Key::CodeUse, Level::Write).with(Key::AuditRead, Level::Read);
        let b = Levels::NONE.with(Key::CodeUse, Level::Read).with(Key::GlobalManage, Level::Admin);
        let both = a.union(b);
        assert_eq!(both.of(Key::CodeUse), Level::Write);
        assert_eq!(both.of(Key::GlobalManage), Level::Admin);
        assert!(both.has(Key::AuditRead, Level::Read) && !both.has(Key::AuditRead, Level::Write));
        assert_eq!(both.of(Key::TeamManage), Level::None);
    }
}
