//! The user that runs the throwaway server.
//!
//! Postgres refuses to run as root, so root hands over to a service user. `setpriv`
//! (util-linux, on every Debian) also binds the child's life to ours.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Who owns the cluster's files and runs its processes.
pub(crate) enum Owner {
    /// We are not root: the server runs as we do.
    Ourselves,
    /// We are root: the server runs as this user.
    Service { user: u32, group: u32 },
}

impl Owner {
    pub(crate) fn choose() -> Result<Self> {
        if !workspace::is_on_path("setpriv") {
            bail!("setpriv is missing: install util-linux");
        }
        if !is_root()? {
            return Ok(Self::Ourselves);
        }
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| ids_of(&accounts, name))
            .map(|(user, group)| Self::Service { user, group })
            .context("no user to run postgres with: create the user postgres")
    }

    /// User and group that the cluster's folder must be given to, if it is not ours already.
    pub(crate) fn ids(&self) -> Option<(u32, u32)> {
        match self {
            Self::Ourselves => None,
            Self::Service { user, group } => Some((*user, *group)),
        }
    }

    /// A command that runs as this user in a clean environment and gets SIGQUIT when we die.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if let Self::Service { user, group } = self {
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={group}"))
                .arg("--clear-groups");
        }
        command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
        command
    }
}

/// Whether this process has root's user id.
pub(crate) fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self").context("cannot read /proc/self")?.uid() == 0)
}

fn ids_of(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some((user, group))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ids_of_a_named_account_only() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres:x:107:115::/var:/bin/sh\nbad\n";
        assert_eq!(ids_of(accounts, "postgres"), Some((107, 115)));
        assert_eq!(ids_of(accounts, "post"), None);
        assert_eq!(ids_of(accounts, "bad"), None);
    }
}
