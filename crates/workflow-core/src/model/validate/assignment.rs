//! Who does the work at a stage.

use super::definition::{Judge, UNSUPPORTED};
use super::faults::Limits;
use crate::model::{Assignment, AssignmentInput, QueueInput, Rota, RotaInput};

const QUEUE: Limits = Limits::line(1, 64);
/// People who take turns by name.
const IN_TURN: usize = 50;
const ROLE: &str = "assignment.role";

impl Judge<'_> {
    pub(super) fn assignment(&mut self, input: &AssignmentInput) -> Assignment {
        match input {
            AssignmentInput::Anyone => Assignment::Anyone,
            AssignmentInput::Role(role) => {
                self.role(ROLE, role);
                Assignment::Role(role.clone())
            }
            AssignmentInput::User(name) => {
                if let Ok(user) = name.parse() {
                    return Assignment::User(user);
                }
                self.note("assignment.user", "must be a name of the form users/{uuid}");
                Assignment::Anyone
            }
            AssignmentInput::Queue(QueueInput { name, role }) => {
                let name = self.text("assignment.queue", QUEUE, name);
                let role = Some(role).filter(|role| !role.is_empty()).cloned();
                role.iter().for_each(|role| self.role(ROLE, role));
                Assignment::Queue { name, role }
            }
            AssignmentInput::RoundRobin(rota) => Assignment::RoundRobin(self.rota(rota)),
            AssignmentInput::Unsupported(kind) => {
                let expected = format!("{kind} is not supported yet: use another type");
                self.because(UNSUPPORTED, "assignment.type", expected);
                Assignment::Anyone
            }
        }
    }

    fn rota(&mut self, input: &RotaInput) -> Rota {
        if input.role.is_empty() == input.users.is_empty() {
            self.note("assignment.users", "must be given, or else `role`, and not both");
        } else if !input.role.is_empty() {
            self.role(ROLE, &input.role);
            return Rota::Role(input.role.clone());
        } else if input.users.len() > IN_TURN {
            self.note("assignment.users", format!("must not be more than {IN_TURN}"));
        }
        let mut users = Vec::new();
        for (at, name) in input.users.iter().take(IN_TURN).enumerate() {
            if let Ok(user) = name.parse() {
                users.push(user);
            } else {
                let field = format!("assignment.users[{at}]");
                self.note(&field, "must be a name of the form users/{uuid}");
            }
        }
        users.sort_unstable();
        users.dedup();
        Rota::Users(users)
    }
}
