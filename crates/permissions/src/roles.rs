//! What each role grants, decided once by casbin from the reviewed file.

use std::collections::HashMap;

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};

use crate::{Key, Level, Levels};

const MODEL: &str = "
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.act == p.act && r.obj == p.obj && r.sub == p.sub
";

const POLICY: &str = include_str!("../policy.csv");

/// Roles that can be held in a team, lowest first.
pub const TEAM_ROLES: [&str; 5] = ["guest", "member", "developer", "lead", "admin"];

/// Roles that are held system-wide, lowest first.
pub const SYSTEM_ROLES: [&str; 2] = ["support", "founder"];

/// The role table is broken; the server must not start.
#[derive(Debug, thiserror::Error)]
pub enum RoleTableError {
    /// Casbin refused model or rules.
    #[error("casbin: {0}")]
    Casbin(#[from] casbin::Error),
    /// A line of `policy.csv` is not `p, role:NAME, KEY, LEVEL`.
    #[error("policy.csv line {0}: expected `p, role:NAME, KEY, LEVEL`")]
    Line(usize),
    /// A known answer came out wrong.
    #[error("self-test failed: {role} {key} {level}")]
    SelfTest {
        /// Role asked for.
        role: &'static str,
        /// Key asked for.
        key: &'static str,
        /// Level asked for.
        level: &'static str,
    },
}

/// Role → level of each key.
#[derive(Clone, Debug)]
pub struct RoleTable {
    roles: HashMap<String, Levels>,
}

impl RoleTable {
    /// Reads the reviewed file, lets casbin decide every cell, and checks known answers.
    pub async fn load() -> Result<Self, RoleTableError> {
        let rules = parse(POLICY)?;
        let mut by_role: HashMap<String, Vec<Rule>> = HashMap::new();
        for rule in rules {
            by_role.entry(rule.0.clone()).or_default().push(rule);
        }
        let mut roles = HashMap::new();
        // One enforcer a role: casbin walks all rules it has for each question.
        for (role, rules) in by_role {
            let levels = levels(&enforcer(&rules).await?, &role)?;
            roles.insert(role, levels);
        }
        let table = Self { roles };
        table.self_test()?;
        Ok(table)
    }

    /// What `role` grants; an unknown role grants nothing.
    pub fn grants(&self, role: &str) -> Levels {
        self.roles.get(&format!("role:{role}")).copied().unwrap_or_default()
    }

    /// Whether the role is in the table.
    pub fn knows(&self, role: &str) -> bool {
        self.roles.contains_key(&format!("role:{role}"))
    }

    fn self_test(&self) -> Result<(), RoleTableError> {
        let known = [
            ("developer", Key::CodeEdit, Level::Write, true),
            ("lead", Key::WorkflowsManage, Level::Write, true),
            ("founder", Key::GlobalManage, Level::Admin, true),
            ("guest", Key::WorkflowsCreate, Level::Read, false),
            ("member", Key::CodeEdit, Level::Read, false),
            ("founder", Key::WorkflowsView, Level::Read, false),
            ("nobody", Key::WorkflowsView, Level::Read, false),
        ];
        for (role, key, level, expected) in known {
            if self.grants(role).has(key, level) != expected {
                return Err(RoleTableError::SelfTest {
                    role,
                    key: key.name(),
                    level: level.name(),
                });
            }
        }
        Ok(())
    }
}

type Rule = (String, Key, Level);

fn parse(text: &str) -> Result<Vec<Rule>, RoleTableError> {
    let lines = text.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
    lines.map(|(at, line)| parse_line(line).ok_or(RoleTableError::Line(at + 1))).collect()
}

fn parse_line(line: &str) -> Option<Rule> {
    let mut cells = line.split(',').map(str::trim);
    let rule = match (cells.next()?, cells.next()?, cells.next()?, cells.next()?) {
        ("p", role, key, level) if role.starts_with("role:") => {
            (role.to_owned(), Key::parse(key)?, Level::parse(level)?)
        }
        _ => return None,
    };
    cells.next().is_none().then_some(rule)
}

/// A level includes the lower ones, so each rule is stored once per included level.
async fn enforcer(rules: &[Rule]) -> Result<Enforcer, RoleTableError> {
    let model = DefaultModel::from_str(MODEL).await?;
    let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await?;
    for (role, key, level) in rules {
        for included in Level::GRANTABLE.into_iter().filter(|l| l <= level) {
            let row = vec![role.clone(), key.name().to_owned(), included.name().to_owned()];
            enforcer.add_policy(row).await?;
        }
    }
    Ok(enforcer)
}

fn levels(enforcer: &Enforcer, role: &str) -> Result<Levels, RoleTableError> {
    let mut levels = Levels::NONE;
    for key in Key::ALL {
        for level in Level::GRANTABLE {
            if enforcer.enforce((role, key.name(), level.name()))? {
                levels = levels.with(*key, level);
            }
        }
    }
    Ok(levels)
}
