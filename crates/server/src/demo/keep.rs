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
        let _ = writeln!(out, "export TOKEN_{}={}", person.name.to_uppercase(), quoted(&person.token));
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
    let _ = writeln!(out, "export DIFF={}", quoted(&story.change.diff));
    let _ = writeln!(out, "{}", helper(&server.grpc().to_string()));
    out + CALLS
}

/// `as PERSON METHOD JSON`: the token stays out of the history, the JSON in quotes.
fn helper(grpc: &str) -> String {
    format!(
        r#"as() {{ local token="TOKEN_${{1^^}}"; grpcurl -plaintext -H "authorization: Bearer ${{!token}}" -d "$3" {grpc} "elohim.$2"; }}
field() {{ python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }}
json() {{ python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$1"; }}"#
    )
}

const CALLS: &str = r#"# 1: a workflow from the template
NEW=$(as alice workflow.v1.TemplateService/InstantiateTemplate "{\"name\":\"$TEMPLATE\",\"team\":\"$CORE\",\"display_name\":\"By hand\"}" | field name)
# 2: an item, claimed, its first stage completed
ITEM2=$(as bob workflow.v1.WorkItemService/CreateWorkItem "{\"work_item\":{\"workflow\":\"$NEW\",\"title\":\"By hand\",\"repository\":\"$REPOSITORY\"}}" | field name)
STAGE=$(as bob workflow.v1.WorkItemService/ClaimWorkItem "{\"name\":\"$ITEM2\"}" | field stageId)
as bob workflow.v1.WorkItemService/CompleteStage "{\"name\":\"$ITEM2\",\"stage_id\":\"$STAGE\"}"
# 3: the agent's plan
sleep 2; as bob workflow.v1.WorkItemService/GetWorkItem "{\"name\":\"$ITEM2\"}"
as bob agent.v1.RunService/ListRuns "{\"work_item\":\"$ITEM2\"}"
# 4: a session and a patch
SESSION2=$(as alice agent.v1.SessionService/CreateSession "{\"session\":{\"repository\":\"$REPOSITORY\",\"work_item\":\"$ITEM2\"}}" | field name)
PATCH2=$(as alice agent.v1.AgentService/Apply "{\"unified_diff\":$(json "$DIFF"),\"session\":\"$SESSION2\",\"work_item\":\"$ITEM2\",\"wait_timeout\":\"60s\"}" | python3 -c 'import json, sys; print(json.load(sys.stdin)["patch"]["name"])')
as alice agent.v1.PatchService/GetPatch "{\"name\":\"$PATCH2\"}"
# 5: the item that the event made
sleep 2; as alice workflow.v1.WorkItemService/ListWorkItems "{\"workflow\":\"$REVIEW\"}"
# 6: the patch taken back
as alice agent.v1.PatchService/RevertPatch "{\"name\":\"$PATCH2\",\"wait_timeout\":\"60s\"}"
# 7: one stage further
STAGE=$(as bob workflow.v1.WorkItemService/GetWorkItem "{\"name\":\"$ITEM2\"}" | field stageId)
as bob workflow.v1.WorkItemService/CompleteStage "{\"name\":\"$ITEM2\",\"stage_id\":\"$STAGE\"}"
# 8: figures
as alice workflow.v1.AnalyticsService/GetWorkflowAnalytics "{\"name\":\"$WORKFLOW\"}"
# 9: dave sees nothing of it (each line ends with NotFound)
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
