//! Teams by what a token says: which value of a claim stands for which role in which team.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use gateway::GroupsClaim;
use permissions::TEAM_ROLES;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ConfigError;

/// Values of the claim that may be mapped.
const MAX_VALUES: usize = 100;

/// Seconds that a role is held without a call.
const KEEP: std::ops::RangeInclusive<u64> = 60..=30 * 24 * 3_600;

/// Off unless a claim is named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TeamsClaimConfig {
    /// The claim's name, as in `groups`: a text or a list of texts.
    pub claim: String,
    /// What its values stand for.
    pub map: TeamMap,
    /// Seconds that a role is held after the last call whose token stood for it.
    pub keep: u64,
}

impl Default for TeamsClaimConfig {
    fn default() -> Self {
        Self { claim: String::new(), map: TeamMap::default(), keep: 12 * 3_600 }
    }
}

/// A table `VALUE = "TEAM:ROLE,…"` in the file, `VALUE=TEAM:ROLE,…` in a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamMap(pub Vec<TeamMapping>);

/// Whoever has the value in the claim has the role in the team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamMapping {
    /// As in the token: compared byte for byte.
    pub value: String,
    /// The team's slug.
    pub team: String,
    pub role: String,
}

impl TeamsClaimConfig {
    /// Whether tokens are asked for teams at all.
    pub fn is_on(&self) -> bool {
        !self.claim.is_empty() || !self.map.0.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.claim.is_empty() != self.map.0.is_empty() {
            let text = "identity.teams is incomplete: claim and map belong together";
            return Err(ConfigError::wrong(text));
        }
        if self.values().len() > MAX_VALUES {
            let text = format!("identity.teams.map has more than {MAX_VALUES} values");
            return Err(ConfigError::wrong(text));
        }
        if !KEEP.contains(&self.keep) {
            let text = "identity.teams.keep must be 60 to 2592000 seconds";
            return Err(ConfigError::wrong(text));
        }
        let of_teams = |mapping: &&TeamMapping| !TEAM_ROLES.contains(&mapping.role.as_str());
        if let Some(TeamMapping { role, .. }) = self.map.0.iter().find(of_teams) {
            let known = TEAM_ROLES.join(", ");
            let text = format!("identity.teams.map names the role {role:?}; there are {known}");
            return Err(ConfigError::wrong(text));
        }
        Ok(())
    }

    /// What the verifier reads beside the subject.
    pub(crate) fn groups(&self) -> Option<GroupsClaim> {
        let name = Some(self.claim.clone()).filter(|name| !name.is_empty())?;
        Some(GroupsClaim { name, values: self.values() })
    }

    pub(crate) fn keep(&self) -> Duration {
        Duration::from_secs(self.keep)
    }

    fn values(&self) -> BTreeSet<String> {
        self.map.0.iter().map(|mapping| mapping.value.clone()).collect()
    }
}

impl TeamMap {
    /// `VALUE=TEAM:ROLE,…`; a value that has `=` or a comma needs the table.
    fn parse(text: &str) -> Result<Self, String> {
        let mut map = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (value, targets) = pair.split_once('=').ok_or_else(|| {
                format!("{pair:?}: expected VALUE=TEAM:ROLE, as in devs=core:developer")
            })?;
            map.add(value, targets)?;
        }
        Ok(map)
    }

    fn add(&mut self, value: &str, targets: &str) -> Result<(), String> {
        for target in targets.split(',').map(str::trim) {
            let expected = || format!("{target:?}: expected TEAM:ROLE, as in core:developer");
            let (team, role) = target.split_once(':').ok_or_else(expected)?;
            let (team, role) = (team.trim(), role.trim());
            if value.is_empty() || team.is_empty() || role.is_empty() {
                return Err(expected());
            }
            self.0.push(TeamMapping { value: value.into(), team: team.into(), role: role.into() });
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for TeamMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MapVisitor)
    }
}

struct MapVisitor;

impl<'de> Visitor<'de> for MapVisitor {
    type Value = TeamMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of values, or VALUE=TEAM:ROLE,…")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TeamMap, E> {
        TeamMap::parse(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<TeamMap, A::Error> {
        let mut map = TeamMap::default();
        while let Some((value, targets)) = entries.next_entry::<String, String>()? {
            map.add(&value, &targets).map_err(serde::de::Error::custom)?;
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::load_from;
    use super::*;

    fn mapping(value: &str, team: &str, role: &str) -> TeamMapping {
        TeamMapping { value: value.into(), team: team.into(), role: role.into() }
    }

    #[test]
    fn a_variable_maps_values_to_roles() {
        let map = TeamMap::parse("devs=core:developer, leads=core:lead").unwrap();
        let expected = [mapping("devs", "core", "developer"), mapping("leads", "core", "lead")];
        assert_eq!(map.0, expected);
        for text in ["devs", "devs=core", "=core:lead", "devs=:lead", "devs=core:", "a=b:c,x"] {
            assert!(TeamMap::parse(text).is_err(), "{text}");
        }
    }

    fn loaded(text: &str) -> Result<TeamsClaimConfig, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let head = "data_dir = '/data'\n[identity]\nissuer = 'i'\naudience = 'a'\n\
                    jwks_url = 'https://id.example.org/keys'\n";
        file.write_all(format!("{head}{text}").as_bytes()).unwrap();
        load_from(Some(file.path()), []).map(|config| config.identity.teams)
    }

    #[test]
    fn a_table_keeps_values_byte_for_byte_and_maps_to_several_teams() {
        let teams = loaded(
            "[identity.teams]\nclaim = 'groups'\n[identity.teams.map]\n\
             'CN=Devs,OU=Eng' = 'core:developer, payments:guest'\n'a.b' = 'core:lead'\n",
        )
        .unwrap();
        let mut map = teams.map.0.clone();
        map.sort_by(|a, b| (&a.value, &a.team).cmp(&(&b.value, &b.team)));
        let devs = "CN=Devs,OU=Eng";
        let expected = [
            mapping(devs, "core", "developer"),
            mapping(devs, "payments", "guest"),
            mapping("a.b", "core", "lead"),
        ];
        assert_eq!(map, expected);
        let groups = teams.groups().unwrap();
        assert_eq!(groups.name, "groups");
        assert_eq!(groups.values, BTreeSet::from([devs.to_owned(), "a.b".to_owned()]));
    }

    #[test]
    fn half_a_mapping_is_an_error_and_none_is_off() {
        assert!(loaded("").is_ok_and(|teams| !teams.is_on() && teams.groups().is_none()));
        assert!(loaded("[identity.teams]\nclaim = 'groups'\n").is_err());
        assert!(loaded("[identity.teams]\nmap = 'a=core:lead'\n").is_err());
        assert!(loaded("[identity.teams]\nclaim = 'g'\nmap = 'a=core'\n").is_err());
        assert!(loaded("[identity.teams]\nclaim = 'g'\nmap = 7\n").is_err());
        for role in ["founder", "support", "Lead", "base-personal"] {
            let text = format!("[identity.teams]\nclaim = 'g'\nmap = 'a=core:{role}'\n");
            assert!(loaded(&text).is_err(), "{role}");
        }
        for keep in [0, 59, 2_592_001] {
            let text =
                format!("[identity.teams]\nclaim = 'g'\nmap = 'a=core:lead'\nkeep = {keep}\n");
            assert!(loaded(&text).is_err(), "{keep}");
        }
        let many: Vec<_> = (0..=MAX_VALUES).map(|n| format!("v{n}=core:lead")).collect();
        let map = format!("[identity.teams]\nclaim = 'g'\nmap = '{}'\n", many.join(","));
        assert!(loaded(&map).is_err());
    }
}
