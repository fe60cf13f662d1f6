//! People and service accounts.

use api::permissions as wire;
use directory::UserView;
use directory::service::{
    CertificateName, Change, Subject, UserChange, UserInput, display_name, system_roles,
};
use permissions::UserKind;
use primitives::{Checked, InvalidArgs};
use prost_types::FieldMask;

use super::faults::Faults;
use super::mask;
use super::scalar::{etag, given_time, optional_time, time, version};

const STATE: &str = "state";
/// What can be changed; `*` is all but the state, so that nobody is brought back unasked.
const CHANGEABLE: [&str; 7] = [
    "display_name",
    "subject",
    "certificate_name",
    "may_apply",
    "system_roles",
    "away_until",
    STATE,
];

/// A user as those see it who manage the directory.
pub(crate) fn user(view: UserView) -> wire::User {
    let UserView { user, system_roles } = view;
    let state = if user.active { wire::UserState::Active } else { wire::UserState::Deactivated };
    wire::User {
        name: user.id.to_string(),
        etag: etag(user.version),
        display_name: user.display_name,
        subject: user.subject.unwrap_or_default(),
        certificate_name: user.certificate_name.unwrap_or_default(),
        kind: kind(user.kind).into(),
        state: state.into(),
        may_apply: user.may_apply,
        system_roles,
        create_time: time(user.created_at),
        deactivate_time: optional_time(user.deactivated_at),
        away_until: optional_time(user.away_until),
    }
}

/// Who stands behind a user.
pub(crate) const fn kind(kind: UserKind) -> wire::UserKind {
    match kind {
        UserKind::Person => wire::UserKind::Person,
        UserKind::Service => wire::UserKind::Service,
    }
}

/// Somebody to be made known.
pub(crate) fn input(
    kind: UserKind,
    given: Option<&wire::User>,
    without_apply: bool,
) -> Checked<UserInput> {
    let Some(given) = given else { return Err(InvalidArgs::new("user", "is required")) };
    let mut faults = Faults::default();
    let input = UserInput {
        kind,
        display_name: faults.take(display_name("user.display_name", &given.display_name)),
        subject: faults.take(subject(given)),
        certificate_name: faults.take(certificate_name(given)),
        may_apply: !without_apply,
        system_roles: faults.take(system_roles("user.system_roles", &given.system_roles)),
    };
    faults.or(input)
}

/// What is to become of a user.
pub(crate) fn change(
    given: &wire::User,
    update_mask: Option<&FieldMask>,
    validate_only: bool,
) -> Checked<UserChange> {
    let is_everything = update_mask.is_some_and(|mask| mask.paths == ["*"]);
    let paths = mask::paths(update_mask, &CHANGEABLE)?;
    let paths: Vec<_> =
        paths.into_iter().filter(|path| !(is_everything && *path == STATE)).collect();
    let named = |path: &str| paths.contains(&path);
    let mut faults = Faults::default();
    let mut change = UserChange { validate_only, ..UserChange::default() };
    change.version = faults.take(required_version("user.etag", &given.etag));
    if named("display_name") {
        let name = faults.take(display_name("user.display_name", &given.display_name));
        change.display_name = Change::To(name);
    }
    if named("subject") {
        change.subject = Change::To(faults.take(subject(given)));
    }
    if named("certificate_name") {
        change.certificate_name = Change::To(faults.take(certificate_name(given)));
    }
    if named("may_apply") {
        change.may_apply = Change::To(given.may_apply);
    }
    if named("away_until") {
        let until = given_time("user.away_until", given.away_until.as_ref());
        change.away_until = Change::To(faults.take(until));
    }
    if named("system_roles") {
        let roles = faults.take(system_roles("user.system_roles", &given.system_roles));
        change.system_roles = Change::To(roles);
    }
    if named(STATE) {
        change.reactivate = true;
        if given.state() != wire::UserState::Active {
            faults.note("user.state", "can be set to ACTIVE only: see DeactivateUser");
        }
    }
    change.paths = paths;
    faults.or(change)
}

/// The etag that a change must come with, as a version.
pub(crate) fn required_version(field: &str, etag: &str) -> Checked<i64> {
    version(etag).ok_or_else(|| InvalidArgs::new(field, "is required: read the resource first"))
}

fn subject(given: &wire::User) -> Checked<Option<Subject>> {
    Subject::optional("user.subject", &given.subject)
}

fn certificate_name(given: &wire::User) -> Checked<Option<CertificateName>> {
    CertificateName::optional("user.certificate_name", &given.certificate_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
    }

    fn ann() -> wire::User {
        wire::User {
            display_name: "Ann".into(),
            subject: "ann".into(),
            etag: "\"3\"".into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_star_brings_nobody_back() {
        let all = change(&ann(), Some(&mask(&["*"])), false).unwrap();
        assert!(!all.reactivate && all.paths.len() == CHANGEABLE.len() - 1);
        assert_eq!(all.version, 3);
        let back = wire::User { state: wire::UserState::Active.into(), ..ann() };
        let change = change(&back, Some(&mask(&["state"])), false).unwrap();
        assert!(change.reactivate);
        assert!(matches!(change.display_name, Change::Keep));
    }

    #[test]
    fn faults_are_told_together_and_by_path() {
        let wrong = wire::User {
            state: wire::UserState::Deactivated.into(),
            system_roles: vec!["king".into()],
            subject: " ann".into(),
            etag: String::new(),
            ..ann()
        };
        let paths = mask(&["state", "system_roles", "subject"]);
        let fields = change(&wrong, Some(&paths), false).unwrap_err().fields;
        let fields: Vec<_> = fields.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["user.etag", "user.subject", "user.system_roles", "user.state"]);
        for path in ["name", "kind", "create_time", "deactivate_time", "etag", "user.subject"] {
            let refused = change(&ann(), Some(&mask(&[path])), false).unwrap_err();
            assert_eq!(refused.fields[0].field, "update_mask", "{path}");
            assert!(refused.fields[0].description.contains(path), "{refused}");
        }
    }
}
