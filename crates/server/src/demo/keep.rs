//! What a reader needs to go on by hand: tokens, names, commands.

use std::fmt::Write;

use super::println;
use super::story::Story;
use crate::wiring::Server;

/// Prints shell lines that repeat the demo with what it made. They run as they stand, in
/// order, in bash, with grpcurl on the path.
pub(super) fn print(story: &Story, server: &Server) -> anyhow::Result<()> {
    println("")?;
    println(format_args!("the server stays up until Ctrl-C: {}", server.ready_line()))?;
    println("")?;
    for line in lines(story, server).lines() {
        println(line)?;
    }
    Ok(())
}

fn lines(story: &Story, server: &Server) -> String {
    let mut out = String::new();
    let people = [&story.alice, &story.bob, &story.carol, &story.dave];
    for person in people {
        let _ =
            writeln!(out, "export TOKEN_{}={}", person.name.to_uppercase(), quoted(&person.token));
    }
    let names = &story.names;
    for (name, value) in [
        ("CORE", &names.core),
        ("REPOSITORY", &names.repository),
        ("TEMPLATE", &names.template),
        ("WORKFLOW", &names.bug_fix),
        ("REVIEW", &names.change_review),
        ("ITEM", &names.item),
        ("RUN", &names.apply_run),
        ("SESSION", &names.session),
        ("PATCH", &names.patch),
    ] {
        let _ = writeln!(out, "export {name}={}", quoted(value));
    }
    // As a JSON text: it becomes part of a request.
    let diff = serde_json::Value::from(story.change.diff.as_str()).to_string();
    let _ = writeln!(out, "export DIFF={}", quoted(&diff));
    let _ = writeln!(out, "GRPC={}", server.grpc());
    out + CALLS
}

/// `as PERSON METHOD JSON`, and the first value of a field in what comes back.
const CALLS: &str = r#"as() { local token="TOKEN_${1^^}"; grpcurl -plaintext -H "authorization: Bearer ${!token}" -d "$3" "$GRPC" "elohim.$2"; }
field() { sed -n "s/^ *\"$1\": \"\([^\"]*\)\",*\$/\1/p" | sed -n 1p; }
# 1: a workflow from the template
NEW=$(as alice workflow.v1.TemplateService/InstantiateTemplate "{\"name\":\"$TEMPLATE\",\"team\":\"$CORE\",\"display_name\":\"By hand\"}" | field name)
# 2: an item, claimed, its first stage completed
MINE=$(as bob workflow.v1.WorkItemService/CreateWorkItem "{\"work_item\":{\"workflow\":\"$NEW\",\"title\":\"By hand\",\"repository\":\"$REPOSITORY\"}}" | field name)
STAGE=$(as bob workflow.v1.WorkItemService/ClaimWorkItem "{\"name\":\"$MINE\"}" | field stageId)
as bob workflow.v1.WorkItemService/CompleteStage "{\"name\":\"$MINE\",\"stage_id\":\"$STAGE\"}"
# 3: the agent's plan
sleep 3; as bob workflow.v1.WorkItemService/GetWorkItem "{\"name\":\"$MINE\"}"
as bob agent.v1.RunService/ListRuns "{\"work_item\":\"$MINE\"}"
# 4: a session and a patch
OPEN=$(as alice agent.v1.SessionService/CreateSession "{\"session\":{\"repository\":\"$REPOSITORY\",\"work_item\":\"$MINE\"}}" | field name)
DONE=$(as alice agent.v1.AgentService/Apply "{\"unified_diff\":$DIFF,\"session\":\"$OPEN\",\"work_item\":\"$MINE\",\"wait_timeout\":\"60s\"}" | field patch)
as alice agent.v1.PatchService/GetPatch "{\"name\":\"$DONE\"}"
# 5: the item that the event made
sleep 1; as alice workflow.v1.WorkItemService/ListWorkItems "{\"workflow\":\"$REVIEW\"}"
# 6: the patch taken back
as alice agent.v1.PatchService/RevertPatch "{\"name\":\"$DONE\",\"wait_timeout\":\"60s\"}"
# 7: one stage further
STAGE=$(as bob workflow.v1.WorkItemService/GetWorkItem "{\"name\":\"$MINE\"}" | field stageId)
as bob workflow.v1.WorkItemService/CompleteStage "{\"name\":\"$MINE\",\"stage_id\":\"$STAGE\"}"
# 8: figures
as alice workflow.v1.AnalyticsService/GetWorkflowAnalytics "{\"name\":\"$WORKFLOW\"}"
# 9: dave sees nothing of it: each line ends with NotFound
as dave workflow.v1.WorkflowService/GetWorkflow "{\"name\":\"$WORKFLOW\"}"
as dave workflow.v1.WorkItemService/GetWorkItem "{\"name\":\"$ITEM\"}"
as dave agent.v1.SessionService/GetSession "{\"name\":\"$SESSION\"}"
as dave agent.v1.RunService/GetRun "{\"name\":\"$RUN\"}"
as dave agent.v1.PatchService/GetPatch "{\"name\":\"$PATCH\"}"
as dave agent.v1.RepositoryService/GetRepository "{\"name\":\"$REPOSITORY\"}"
"#;

/// As one word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_does_not_end_the_word() {
        let out = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", quoted("it's $HOME `id`\n\"x\""))])
            .output()
            .unwrap();
        assert_eq!(out.stdout, b"it's $HOME `id`\n\"x\"");
    }
}
