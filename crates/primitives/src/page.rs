//! Pages of lists.

use uuid::Uuid;

/// Used when a caller asks for size 0.
pub const DEFAULT_PAGE_SIZE: u32 = 50;
/// Larger requests are cut to this.
pub const MAX_PAGE_SIZE: u32 = 200;

/// The place after which the next page starts: the sort key and id of the last row shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAfter {
    /// Sort key of the last row, in the list's own unit (usually microseconds).
    pub key: i64,
    /// Breaks ties.
    pub id: Uuid,
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// 1 to [`MAX_PAGE_SIZE`].
    pub size: u32,
    /// `None` starts at the beginning.
    pub after: Option<PageAfter>,
}

impl PageRequest {
    /// The first page of the default size.
    pub const fn first() -> Self {
        Self { size: DEFAULT_PAGE_SIZE, after: None }
    }
}

/// One page, and where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// At most the size asked for.
    pub items: Vec<T>,
    /// `None` on the last page.
    pub next: Option<PageAfter>,
}

impl<T> Page<T> {
    /// Cuts `items` (read with `size + 1` rows) to a page; `place` names a row's position.
    pub fn cut(mut items: Vec<T>, size: u32, place: impl Fn(&T) -> PageAfter) -> Self {
        let size = size as usize;
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { items.last().map(place) } else { None };
        Self { items, next }
    }

    /// Converts each item.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next: self.next }
    }
}
