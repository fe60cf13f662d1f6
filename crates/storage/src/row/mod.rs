//! Rows as they lie in the tables, private to this crate.
//!
//! **Invariant:** rows of tenants are read through `visibility` and leave the crate only as
//! domain values shown by a scope. Numbers, texts and JSON are checked on the way out, so that
//! a broken row is an error and never a panic.

#![expect(unreachable_pub, reason = "sea-orm's derives need pub")]

pub mod agent;
pub mod audit;
pub mod comment;
pub mod directory;
pub mod events;
pub mod item;
pub mod workflows;

use primitives::{Tenant, Timestamp};
use sea_orm::sea_query::{InsertStatement, Query, SimpleExpr};
use sea_orm::{EntityName, EntityTrait, IdenStatic, Iterable, ModelTrait};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::fault::{Fault, Result};

/// One INSERT with all columns of all rows.
pub(crate) fn insert<M>(rows: Vec<M>) -> InsertStatement
where
    M: ModelTrait,
{
    insert_with(rows, &[])
}

/// The same; the columns named get an expression instead, such as the database's own time.
pub(crate) fn insert_with<M>(
    rows: Vec<M>,
    computed: &[(<M::Entity as EntityTrait>::Column, SimpleExpr)],
) -> InsertStatement
where
    M: ModelTrait,
{
    let columns = || <M::Entity as EntityTrait>::Column::iter();
    let cell = |row: &M, column: <M::Entity as EntityTrait>::Column| {
        let computed = computed.iter().find(|(name, _)| name.as_str() == column.as_str());
        computed.map_or_else(|| row.get(column).into(), |(_, expression)| expression.clone())
    };
    let mut insert = Query::insert();
    insert.into_table(M::Entity::default().table_ref()).columns(columns());
    for row in &rows {
        insert.values_panic(columns().map(|column| cell(row, column)));
    }
    insert
}

/// Reads the pair of tenant columns.
pub(crate) fn tenant(kind: &str, id: Uuid) -> Result<Tenant> {
    Tenant::from_columns(kind, id).ok_or_else(|| broken("tenant_kind", kind))
}

/// A stored value that this version does not understand.
pub(crate) fn broken(column: &str, value: &str) -> Fault {
    Fault::Internal(format!("column {column} holds {value:?}, which is not known"))
}

/// Reads a text that stands for a closed set.
pub(crate) fn known<T>(column: &str, text: &str, parse: fn(&str) -> Option<T>) -> Result<T> {
    parse(text).ok_or_else(|| broken(column, text))
}

/// Reads a JSON column; the text itself is kept out of the error.
pub(crate) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Fault::Internal(format!("column {column} is not valid: {error}")))
}

/// Writes a JSON column.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Fault::Internal(format!("a value does not serialize: {error}")))
}

/// Writes a JSON column that may be null.
pub(crate) fn to_json_opt<T: Serialize>(value: Option<&T>) -> Result<Option<String>> {
    value.map(to_json).transpose()
}

/// Reads a JSON column that may be null.
pub(crate) fn from_json_opt<T: DeserializeOwned>(
    column: &str,
    text: Option<&str>,
) -> Result<Option<T>> {
    text.map(|text| from_json(column, text)).transpose()
}

/// Reads a number into a narrower type.
pub(crate) fn narrow<N, T: TryFrom<N>>(column: &str, number: N) -> Result<T> {
    T::try_from(number)
        .map_err(|_| Fault::Internal(format!("column {column} holds a number out of range")))
}

/// Reads a time that may be null.
pub(crate) fn time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// Writes a time that may be null.
pub(crate) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}
