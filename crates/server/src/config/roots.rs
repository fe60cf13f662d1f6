//! Folders that repositories may be registered from, each for one owner.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

/// Whom a folder is set aside for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A team, by its slug.
    Team(String),
    /// A person, by the token's subject.
    User(String),
}

/// One folder and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    pub owner: Owner,
    /// Absolute.
    pub path: PathBuf,
}

/// All of them. None by default: nobody can register anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootList(pub Vec<Root>);

impl RootList {
    /// Reads `core=/srv/core,user:bob=/srv/bob`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        pairs.map(Root::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Root {
    fn parse(pair: &str) -> Result<Self, String> {
        let expected = "expected OWNER=PATH, as in core=/srv/core or user:bob=/srv/bob";
        let (owner, path) = pair.split_once('=').ok_or_else(|| format!("{pair:?}: {expected}"))?;
        let path = PathBuf::from(path.trim());
        if !path.is_absolute() {
            return Err(format!("{pair:?}: the path must be absolute"));
        }
        let owner = match owner.trim().split_once(':') {
            Some(("user", name)) if !name.is_empty() => Owner::User(name.to_owned()),
            Some(("team", slug)) if !slug.is_empty() => Owner::Team(slug.to_owned()),
            None if !owner.trim().is_empty() => Owner::Team(owner.trim().to_owned()),
            _ => return Err(format!("{pair:?}: {expected}")),
        };
        Ok(Self { owner, path })
    }
}

impl<'de> Deserialize<'de> for RootList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Text {
            Line(String),
            Lines(Vec<String>),
        }
        let text = match Text::deserialize(deserializer)? {
            Text::Line(line) => line,
            Text::Lines(lines) => lines.join(","),
        };
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_owner_and_absolute_path() {
        let roots = RootList::parse("core=/srv/core, user:bob=/srv/bob,").unwrap();
        assert_eq!(
            roots.0,
            [
                Root { owner: Owner::Team("core".into()), path: "/srv/core".into() },
                Root { owner: Owner::User("bob".into()), path: "/srv/bob".into() },
            ]
        );
        assert_eq!(RootList::parse("").unwrap(), RootList::default());
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for text in ["core", "core=", "core=srv", "=/srv", "user:=/srv", "group:a=/srv"] {
            assert!(RootList::parse(text).is_err(), "{text}");
        }
    }
}
