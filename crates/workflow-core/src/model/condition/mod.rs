//! Conditions of routes, in CEL.
//!
//! A condition sees `item` (`title`, `priority`, `tags`, `state`, `data`) and `data`, the same
//! as `item.data`, as they are after the completion. Whole numbers are ints, `priority` is
//! its upper-snake name. One that completes an agent stage by itself sees the run's result too,
//! as `run` ([`RunFacts`]). It is pure: the same item takes the same route, always.
//!
//! Conditions are written by callers, so both sides are bounded: the text is judged when it
//! is published (size, nesting, only the functions of [`FUNCTIONS`], no comprehension in a
//! comprehension), and its work when it is evaluated. A condition that cannot be evaluated,
//! or is not a bool, does not hold.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr};
use cel::objects::{Key, Map};
use cel::{Context, Env, Program, Value};
use serde_json::Value as Json;

use super::{Data, Priority, StageRoute, WorkItem};

/// Bytes of one condition.
pub const MAX_BYTES: usize = 1024;
/// Brackets in brackets.
const MAX_NESTING: usize = 12;
/// Levels of the parsed expression.
const MAX_DEPTH: usize = 40;
/// `+` in one condition: each may double a text.
const MAX_SUMS: usize = 16;
/// Comprehensions side by side in one condition.
const MAX_MACROS: usize = 4;
/// Elements of a list or map that a comprehension may meet.
const MAX_ELEMENTS: usize = 1_000;
/// Elements × bytes of data that a comprehension may meet.
const MAX_WORK: usize = 64 * 1024 * 1024;

/// What a condition may call, beside operators and [`MACROS`].
pub const FUNCTIONS: [&str; 8] =
    ["size", "contains", "startsWith", "endsWith", "int", "double", "string", "has"];
/// Comprehensions.
const MACROS: [&str; 5] = ["all", "exists", "exists_one", "map", "filter"];
const OPERATORS: [&str; 17] = [
    "_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_+_", "_-_", "_*_", "_/_",
    "_%_", "-_", "@in", "_?_:_",
];
const INDEX: &str = "_[_]";

static WITH_MACROS: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
static AS_WRITTEN: LazyLock<Env> = LazyLock::new(|| Env::default().with_stdlib());

/// Judges a condition for publishing; the error says what is wrong.
pub fn check(source: &str) -> Result<(), String> {
    judge(source, Survey::default())
}

/// The same for a condition that sees the result of a run.
pub fn check_with_run(source: &str) -> Result<(), String> {
    judge(source, Survey { sees_run: true, ..Survey::default() })
}

fn judge(source: &str, mut survey: Survey) -> Result<(), String> {
    if source.len() > MAX_BYTES {
        return Err(format!("must not be longer than {MAX_BYTES} bytes"));
    }
    if source.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("must not contain control characters".into());
    }
    if nesting(source) > MAX_NESTING {
        return Err(format!("must not nest brackets deeper than {MAX_NESTING}"));
    }
    let written = guarded(|| AS_WRITTEN.parser().max_recursion_depth(64).parse(source).ok());
    let written = written.ok_or("is not valid CEL")?;
    survey.expression(&written, 0, &mut Vec::new())?;
    compile(source).ok_or("is not valid CEL")?;
    Ok(())
}

/// The first route whose condition holds; the default always does. `None` without a default.
pub fn choose<'a>(routes: &'a [StageRoute], item: &WorkItem) -> Option<&'a StageRoute> {
    let mut facts = None;
    routes.iter().find(|route| match &route.condition {
        None => true,
        Some(source) => {
            let facts = facts.get_or_insert_with(|| Facts::of(item));
            holds(source, facts)
        }
    })
}

/// Tells of conditions whether they are true of the item as it is now.
pub fn over(item: &WorkItem) -> impl Fn(&str) -> bool + use<> {
    let facts = Facts::of(item);
    move |source| holds(source, &facts)
}

/// What came of a run, as conditions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// `run.outcome`: `SUCCEEDED` or `FAILED`.
    pub succeeded: bool,
    /// `run.steps` and `run.risks`: how many; both 0 after a failure.
    pub steps: usize,
    pub risks: usize,
    /// `run.requires_confirmation`
    pub requires_confirmation: bool,
    /// `run.estimated_minutes`
    pub estimated_minutes: i64,
    /// `run.applied`: the change was applied without a person.
    pub applied: bool,
}

/// Whether a stage with this condition is completed by the result of its run.
pub fn advances(source: &str, item: &WorkItem, run: &RunFacts) -> bool {
    let mut facts = Facts::of(item);
    let int = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let outcome = if run.succeeded { "SUCCEEDED" } else { "FAILED" };
    let view = [
        ("outcome", text(outcome)),
        ("steps", int(run.steps)),
        ("risks", int(run.risks)),
        ("requires_confirmation", Value::Bool(run.requires_confirmation)),
        ("estimated_minutes", Value::Int(run.estimated_minutes)),
        ("applied", Value::Bool(run.applied)),
    ];
    facts.run = Some(map(view.into_iter().map(|(key, value)| (key.to_owned(), value))));
    holds(source, &facts)
}

/// Whether the condition is true of the item.
fn holds(source: &str, facts: &Facts) -> bool {
    let answer = guarded(|| {
        let program = compile(source)?;
        if comprehends(program.expression()) && facts.work() > MAX_WORK {
            return None;
        }
        let mut context = Context::with_env(Arc::clone(&WITH_MACROS));
        context.add_variable_from_value("item", facts.item.clone());
        context.add_variable_from_value("data", facts.data.clone());
        if let Some(run) = &facts.run {
            context.add_variable_from_value("run", run.clone());
        }
        program.execute(&context).ok()
    });
    answer == Some(Value::Bool(true))
}

fn compile(source: &str) -> Option<Program> {
    guarded(|| WITH_MACROS.compile(source).ok())
}

/// The library is not ours: should it panic on some text, that text is no condition.
fn guarded<T>(run: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok().flatten()
}

/// Whether an expression, with macros expanded, goes through a list.
fn comprehends(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Comprehension(_) => true,
        Expr::Call(call) => call.target.iter().any(|node| comprehends(node)) || any(&call.args),
        Expr::Select(select) => comprehends(&select.operand),
        Expr::List(list) => any(&list.elements),
        Expr::Map(map) => map.entries.iter().any(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => comprehends(&entry.key) || comprehends(&entry.value),
            EntryExpr::StructField(field) => comprehends(&field.value),
        }),
        Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => false,
    }
}

fn any(nodes: &[IdedExpr]) -> bool {
    nodes.iter().any(comprehends)
}

/// Deepest bracket, strings included: more than there are is as good as too many.
fn nesting(source: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Walks an expression as it was written, with macros as plain calls.
#[derive(Default)]
struct Survey {
    sums: usize,
    macros: usize,
    in_macro: bool,
    sees_run: bool,
}

type Names<'a> = Vec<&'a str>;

impl Survey {
    fn expression<'a>(
        &mut self,
        node: &'a IdedExpr,
        depth: usize,
        bound: &mut Names<'a>,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("must not nest deeper than {MAX_DEPTH} levels"));
        }
        let depth = depth + 1;
        match &node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) if matches!(name.as_str(), "item" | "data") => Ok(()),
            Expr::Ident(name) if self.sees_run && name == "run" => Ok(()),
            Expr::Ident(name) if bound.contains(&name.as_str()) => Ok(()),
            Expr::Ident(name) => {
                let known =
                    if self.sees_run { "`item`, `data` and `run`" } else { "`item` and `data`" };
                Err(format!("knows {known}, not `{}`", primitives::clip(name, 40)))
            }
            Expr::Select(select) => self.expression(&select.operand, depth, bound),
            Expr::List(list) => {
                list.elements.iter().try_for_each(|node| self.expression(node, depth, bound))
            }
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key, depth, bound)?;
                    self.expression(&entry.value, depth, bound)
                }
                EntryExpr::StructField(_) => Err(NO_STRUCTS.into()),
            }),
            Expr::Call(call) => self.call(call, depth, bound),
            Expr::Struct(_) => Err(NO_STRUCTS.into()),
            Expr::Comprehension(_) | Expr::Unspecified => Err("is not valid CEL".into()),
        }
    }

    fn call<'a>(
        &mut self,
        call: &'a CallExpr,
        depth: usize,
        bound: &mut Names<'a>,
    ) -> Result<(), String> {
        let name = call.func_name.as_str();
        if let (true, Some(list)) = (MACROS.contains(&name), &call.target) {
            return self.comprehension(list, &call.args, depth, bound);
        }
        let known = FUNCTIONS.contains(&name) || OPERATORS.contains(&name) || name == INDEX;
        if !known {
            let name = primitives::clip(name, 40);
            return Err(format!("`{name}` is not available; functions: {}", FUNCTIONS.join(", ")));
        }
        if name == "_+_" {
            self.sums += 1;
            if self.in_macro {
                return Err("must not use + inside a comprehension".into());
            }
            if self.sums > MAX_SUMS {
                return Err(format!("must not have more than {MAX_SUMS} +"));
            }
        }
        if let Some(target) = &call.target {
            self.expression(target, depth, bound)?;
        }
        call.args.iter().try_for_each(|node| self.expression(node, depth, bound))
    }

    fn comprehension<'a>(
        &mut self,
        list: &'a IdedExpr,
        args: &'a [IdedExpr],
        depth: usize,
        bound: &mut Names<'a>,
    ) -> Result<(), String> {
        if self.in_macro {
            return Err("must not have a comprehension in a comprehension".into());
        }
        self.macros += 1;
        if self.macros > MAX_MACROS {
            return Err(format!("must not have more than {MAX_MACROS} comprehensions"));
        }
        let Some((Expr::Ident(variable), body)) =
            args.split_first().map(|(first, body)| (&first.expr, body))
        else {
            return Err("is not valid CEL".into());
        };
        self.in_macro = true;
        self.expression(list, depth, bound)?;
        bound.push(variable);
        let judged = body.iter().try_for_each(|node| self.expression(node, depth, bound));
        bound.pop();
        self.in_macro = false;
        judged
    }
}

const NO_STRUCTS: &str = "must not construct messages";

/// What conditions see of an item.
struct Facts {
    item: Value,
    data: Value,
    /// Only where a run has ended.
    run: Option<Value>,
    bytes: usize,
    /// The longest list or map.
    longest: usize,
}

impl Facts {
    fn of(item: &WorkItem) -> Self {
        let mut sizes = Sizes::default();
        let data = sizes.object(&item.data);
        let tags = item.tags.iter().map(|tag| text(tag)).collect::<Vec<_>>();
        let view = [
            ("title", text(&item.title)),
            ("priority", text(priority(item.priority))),
            ("tags", Value::List(Arc::new(tags))),
            ("state", text(item.state.as_str())),
            ("data", data.clone()),
        ];
        let view = view.into_iter().map(|(key, value)| (key.to_owned(), value));
        Self { item: map(view), data, run: None, bytes: sizes.bytes, longest: sizes.longest }
    }

    /// Upper bound of what one comprehension touches, in bytes.
    fn work(&self) -> usize {
        if self.longest > MAX_ELEMENTS { usize::MAX } else { self.longest * self.bytes }
    }
}

/// Converts data, and measures it on the way.
#[derive(Default)]
struct Sizes {
    bytes: usize,
    longest: usize,
}

impl Sizes {
    fn object(&mut self, data: &Data) -> Value {
        self.longest = self.longest.max(data.len());
        let entries: Vec<_> = data
            .iter()
            .map(|(key, value)| {
                self.bytes += key.len();
                (key.clone(), self.value(value))
            })
            .collect();
        map(entries.into_iter())
    }

    fn value(&mut self, value: &Json) -> Value {
        self.bytes += 8;
        match value {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => self::number(number),
            Json::String(value) => {
                self.bytes += value.len();
                text(value)
            }
            Json::Array(items) => {
                self.longest = self.longest.max(items.len());
                Value::List(Arc::new(items.iter().map(|item| self.value(item)).collect()))
            }
            Json::Object(data) => self.object(data),
        }
    }
}

fn map(entries: impl Iterator<Item = (String, Value)>) -> Value {
    let entries: HashMap<Key, Value> =
        entries.map(|(key, value)| (Key::String(Arc::new(key)), value)).collect();
    Value::Map(Map { map: Arc::new(entries) })
}

fn text(value: &str) -> Value {
    Value::String(Arc::new(value.to_owned()))
}

const fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "LOW",
        Priority::Normal => "NORMAL",
        Priority::High => "HIGH",
        Priority::Urgent => "URGENT",
    }
}

/// On the wire all numbers are doubles; a whole one is meant as an int.
fn number(number: &serde_json::Number) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(int) = number.as_i64() {
        return Value::Int(int);
    }
    let double = number.as_f64().unwrap_or(f64::NAN);
    if double.fract() == 0.0 && double.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Value::Int(double as i64);
    }
    Value::Float(double)
}

#[cfg(test)]
pub(crate) mod tests;
