//! Teams and their members.

use api::permissions as wire;
use directory::service::{MemberInput, Slug, TeamChange, TeamInput, Whom, display_name};
use directory::{Member, Team};
use permissions::Role;
use primitives::{Checked, InvalidArgs, UserId};
use prost_types::FieldMask;

use super::faults::Faults;
use super::mask;
use super::scalar::{etag, given_time, optional_time, time};
use super::user::{kind, required_version};

/// A team.
pub(crate) fn team(team: Team) -> wire::Team {
    let state = match team.deleted_at {
        None => wire::TeamState::Active,
        Some(_) => wire::TeamState::Deleted,
    };
    wire::Team {
        name: team.id.to_string(),
        etag: etag(team.version),
        slug: team.slug,
        display_name: team.display_name,
        state: state.into(),
        create_time: time(team.created_at),
        delete_time: optional_time(team.deleted_at),
    }
}

/// A team to be made.
pub(crate) fn input(given: Option<&wire::Team>) -> Checked<TeamInput> {
    let Some(given) = given else { return Err(InvalidArgs::new("team", "is required")) };
    let mut faults = Faults::default();
    let display_name = faults.take(display_name("team.display_name", &given.display_name));
    match Slug::check("team.slug", &given.slug) {
        Ok(slug) => faults.or(TeamInput { slug, display_name }),
        Err(mut refused) => {
            refused.fields.extend(faults.or(()).err().into_iter().flat_map(|other| other.fields));
            Err(refused)
        }
    }
}

/// What is to become of a team.
pub(crate) fn change(
    given: &wire::Team,
    update_mask: Option<&FieldMask>,
    validate_only: bool,
) -> Checked<TeamChange> {
    mask::paths(update_mask, &["display_name"])?;
    let mut faults = Faults::default();
    let version = faults.take(required_version("team.etag", &given.etag));
    let display_name = faults.take(display_name("team.display_name", &given.display_name));
    faults.or(TeamChange { version, display_name, validate_only })
}

/// Somebody in a team.
pub(crate) fn member(member: Member) -> wire::Member {
    wire::Member {
        user: member.user.to_string(),
        display_name: member.display_name,
        kind: kind(member.kind).into(),
        roles: member.roles,
        join_time: time(member.joined_at),
    }
}

/// How somebody is to be taken in. `user` is the name of the request, if it has one.
pub(crate) fn member_input(
    given: &wire::AddMemberRequest,
    user: Option<UserId>,
    role: Role,
) -> Checked<MemberInput> {
    let whom = match (user, given.subject.as_str()) {
        (Some(user), "") => Whom::User(user),
        (None, subject) if !subject.is_empty() => Whom::Subject(subject.to_owned()),
        _ => {
            let text = "is required, unless there is a subject; not both";
            return Err(InvalidArgs::new("user", text));
        }
    };
    let expires_at = given_time("expire_time", given.expire_time.as_ref())?;
    Ok(MemberInput { whom, role, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_in_one_way() {
        let of = |user: Option<UserId>, subject: &str| {
            let given = wire::AddMemberRequest { subject: subject.into(), ..Default::default() };
            member_input(&given, user, Role::Standard("guest".into())).map(|input| input.whom)
        };
        let user = UserId::generate();
        assert!(matches!(of(Some(user), ""), Ok(Whom::User(named)) if named == user));
        assert!(matches!(of(None, "ann"), Ok(Whom::Subject(subject)) if subject == "ann"));
        assert_eq!(of(None, "").unwrap_err().fields[0].field, "user");
        assert_eq!(of(Some(user), "ann").unwrap_err().fields[0].field, "user");
    }

    #[test]
    fn both_faults_of_a_team_are_told() {
        let refused = input(Some(&wire::Team { slug: "admin".into(), ..Default::default() }));
        let fields = refused.unwrap_err().fields;
        let fields: Vec<_> = fields.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["team.slug", "team.display_name"]);
    }
}
