//! Update masks: which fields of a resource a request is about.

use primitives::{Checked, InvalidArgs};
use prost_types::FieldMask;

const FIELD: &str = "update_mask";

/// The paths of a mask, each of them among `allowed`; `*` stands for all of these. An absent
/// or empty mask is refused: it does not mean everything.
pub(crate) fn paths(
    mask: Option<&FieldMask>,
    allowed: &[&'static str],
) -> Checked<Vec<&'static str>> {
    let given = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    let known = || allowed.join(", ");
    if given.is_empty() {
        let text = format!("must name what to change: {}, or *", known());
        return Err(InvalidArgs::new(FIELD, text));
    }
    if given == ["*"] {
        return Ok(allowed.to_vec());
    }
    let find = |path: &String| {
        let found = allowed.iter().find(|known| *known == path).copied();
        found.ok_or_else(|| {
            let shown = primitives::clip(path, 80).replace(char::is_control, "\u{fffd}");
            InvalidArgs::new(FIELD, format!("{shown:?} cannot be changed; only {}", known()))
        })
    };
    given.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
    }

    #[test]
    fn only_what_is_allowed_and_never_everything_by_default() {
        let allowed = ["a", "b"];
        assert_eq!(paths(Some(&mask(&["b"])), &allowed).unwrap(), ["b"]);
        assert_eq!(paths(Some(&mask(&["*"])), &allowed).unwrap(), ["a", "b"]);
        assert!(paths(None, &allowed).is_err());
        for bad in [&[][..], &["c"], &["a", "*"], &["A"], &["a.x"], &[""], &["a\0"]] {
            assert!(paths(Some(&mask(bad)), &allowed).is_err(), "{bad:?}");
        }
    }
}
