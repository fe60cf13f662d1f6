//! Both databases give the same answers: one script of calls, played against a server on each.
//!
//! The script asks for every method, rightly and wrongly, as several people one after the
//! other, so that each finds what those before him left. What differs between any two servers
//! (ids, times, hashes, folders) is told by its first appearance.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage as _, Value};
use serde_json::Value as Json;
use testkit::database::{Backend, TestDb};
use testkit::world::{Person, Refused as _, World};

use crate::scene::{Own, Quality, belongings, methods, request};

/// Fewer would be no script worth the name.
const CALLS: usize = 500;

/// One call and what came of it, in words that are the same on every server.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    call: String,
    answer: String,
}

/// Gives what is a server's own a name by the order in which it appears.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn of(&mut self, kind: &str, text: &str) -> String {
        let next = self.0.len();
        self.0.entry(text.to_owned()).or_insert_with(|| format!("{kind}-{next}")).clone()
    }

    /// A text with all that is drawn or hashed in it replaced: ids, and other long runs of
    /// hexadecimal digits.
    fn text(&mut self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
            let id = rest.get(..36).filter(|id| uuid::Uuid::parse_str(id).is_ok());
            let drawn = id.or_else(|| rest.get(..digits).filter(|run| run.len() >= 12));
            let (length, shown) = match drawn {
                Some(drawn) => (drawn.len(), self.of("id", drawn)),
                None => (first.len_utf8(), first.to_string()),
            };
            told.push_str(&shown);
            rest = &rest[length..];
        }
        told
    }

    fn message(&mut self, message: &DynamicMessage) -> Json {
        match message.descriptor().full_name() {
            "google.protobuf.Timestamp" => "a moment".into(),
            "google.protobuf.Duration" => "a while".into(),
            _ => {
                let fields = message.fields().map(|(field, value)| {
                    (field.name().to_owned(), self.value(field.name(), value))
                });
                Json::Object(fields.collect())
            }
        }
    }

    fn value(&mut self, key: &str, value: &Value) -> Json {
        match value {
            Value::String(_) if key == "path" => "a folder".into(),
            Value::String(text) if key == "next_page_token" && !text.is_empty() => "more".into(),
            Value::String(text) => self.text(text).into(),
            Value::F64(_) | Value::F32(_) if key.ends_with("seconds") => "a while".into(),
            // Microseconds since the epoch, in data that the server wrote.
            Value::F64(number) if *number > 1e15 => "a moment".into(),
            Value::Message(message) => self.message(message),
            Value::List(values) => values.iter().map(|value| self.value(key, value)).collect(),
            Value::Map(entries) => {
                // Maps have no order of their own.
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by_key(|(key, _)| format!("{key:?}"));
                let told = entries.into_iter().map(|(key, value)| {
                    let key = key.as_str().map_or_else(|| format!("{key:?}"), ToOwned::to_owned);
                    (key.clone(), self.value(&key, value))
                });
                Json::Object(told.collect())
            }
            plain => format!("{plain:?}").into(),
        }
    }
}

struct Player {
    pool: DescriptorPool,
    names: Names,
    told: Vec<Told>,
}

impl Player {
    fn method(&self, path: &str) -> MethodDescriptor {
        let (service, method) = path.split_once('/').expect("a method's path");
        let service = self.pool.get_service_by_name(service).expect("a service");
        service.methods().find(|known| known.name() == method).expect("a method")
    }

    async fn calls(
        &mut self,
        world: &World,
        person: &Person,
        path: &str,
        quality: Quality,
        own: &Own,
    ) {
        let Some(body) = request(path, own, quality) else { return };
        let call = format!("{} {path} {quality:?}", person.name);
        let answer = match person.sends(path, body).await {
            Ok(bytes) => {
                let output = self.method(path).output();
                let message = DynamicMessage::decode(output, &bytes[..]).expect("an answer");
                // A run that was ordered may have begun.
                if path.ends_with("/RerunAgentAssist") {
                    "{ordered}".into()
                } else {
                    self.names.message(&message).to_string()
                }
            }
            Err(status) => {
                let facts = ["permission", "level"].map(|key| status.fact(key).unwrap_or_default());
                let message = self.names.text(status.message());
                let (code, reason, fields) = (status.code(), status.reason(), status.fields());
                format!("{code:?} {reason} {facts:?} {fields:?}: {message}")
            }
        };
        self.told.push(Told { call, answer });
        world.settles().await;
    }
}

async fn plays(backend: Backend) -> Vec<Told> {
    let world = World::start(TestDb::of(backend).await).await;
    let [alice, dave] = world.people(["alice", "dave"]);
    let own = belongings(&world, &alice, "core").await;
    let his = belongings(&world, &dave, "payments").await;
    let pool = DescriptorPool::decode(api::DESCRIPTORS).expect("the contract");
    let mut player = Player { pool, names: Names::default(), told: Vec::new() };
    let [gus, bob, carol, erin] = world.people(["gus", "bob", "carol", "erin"]);
    // Those who may do little come first: after an admin little is left.
    for person in [&gus, &dave, &bob, &erin, &alice, &carol] {
        for method in methods() {
            for quality in [Quality::Spoiled, Quality::Valid] {
                player.calls(&world, person, &method.path, quality, &own).await;
            }
        }
    }
    for method in methods() {
        player.calls(&world, &dave, &method.path, Quality::Valid, &his).await;
    }
    player.told
}

#[test]
fn both_databases_agree_on_every_answer_of_one_script() {
    let script = |backend| testkit::database::play(async move { plays(backend).await });
    let (sqlite, postgres) = (script(Backend::Sqlite), script(Backend::Postgres));
    assert!(sqlite.len() >= CALLS, "only {} calls", sqlite.len());
    let accepted = sqlite.iter().filter(|told| told.answer.starts_with('{')).count();
    assert!(accepted >= CALLS / 4, "only {accepted} of {} were accepted", sqlite.len());
    assert_eq!(sqlite.len(), postgres.len());
    let pairs = sqlite.iter().zip(&postgres).filter(|(one, other)| one != other);
    let apart: Vec<_> = pairs.take(10).map(|(one, other)| difference(one, other)).collect();
    assert!(apart.is_empty(), "{}", apart.join("\n"));
}

/// Where two answers part.
fn difference(one: &Told, other: &Told) -> String {
    let alike = one.answer.chars().zip(other.answer.chars()).take_while(|(a, b)| a == b).count();
    let there = |told: &Told| {
        told.answer.chars().skip(alike.saturating_sub(60)).take(160).collect::<String>()
    };
    format!("{}\n  sqlite:   {}\n  postgres: {}", one.call, there(one), there(other))
}
