//! Pages of lists on the wire.
//!
//! **Invariant:** a token opens only for the caller, the method and the filter it was made
//! for, within its time; anything else is `INVALID_PAGE_TOKEN` and never "start again".

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use primitives::{
    Checked, DEFAULT_PAGE_SIZE, InvalidArgs, MAX_PAGE_SIZE, PageAfter, PageRequest, Timestamp,
    UserId,
};
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};

/// Part of what a token is bound to: raised when places or orders of lists change.
const VERSION: u8 = 1;
const LIFETIME: Duration = Duration::from_hours(24);
const NONCE_BYTES: usize = 24;
/// Expiry, sort key, id.
const PLAIN_BYTES: usize = 8 + 8 + 16;
/// A longer text is no token of ours.
const MAX_TOKEN_CHARS: usize = 256;

/// The secret that page tokens are sealed with; the same on every replica.
#[derive(Clone)]
pub struct PageKey(XChaCha20Poly1305);

impl std::fmt::Debug for PageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageKey(…)")
    }
}

/// What a token is bound to beside the server's key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) user: UserId,
    pub(crate) method: &'a str,
    /// The encoded request without its paging fields.
    pub(crate) filter: &'a [u8],
}

impl PageKey {
    /// A key from 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(Key::from_slice(secret)))
    }

    /// A key of this process alone: tokens do not survive it.
    pub fn random() -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self::new(&secret)
    }

    /// Writes a place down.
    pub(crate) fn seal(&self, binding: Binding<'_>, after: PageAfter, now: Timestamp) -> String {
        let mut plain = Vec::with_capacity(PLAIN_BYTES);
        plain.extend((now + LIFETIME).as_micros().to_be_bytes());
        plain.extend(after.key.to_be_bytes());
        plain.extend(after.id.as_bytes());
        let mut token = vec![0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut token);
        let aad = binding.aad();
        let payload = Payload { msg: &plain, aad: &aad };
        // Fails for plaintexts of gigabytes only.
        let sealed = self.0.encrypt(XNonce::from_slice(&token), payload).unwrap_or_default();
        token.extend(sealed);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads a place back.
    pub(crate) fn open(
        &self,
        binding: Binding<'_>,
        token: &str,
        now: Timestamp,
    ) -> Checked<PageAfter> {
        self.opened(binding, token, now).ok_or_else(|| {
            let help = "is not a token of this list, or has expired; begin without one";
            InvalidArgs::because("INVALID_PAGE_TOKEN", "page_token", help)
        })
    }

    fn opened(&self, binding: Binding<'_>, token: &str, now: Timestamp) -> Option<PageAfter> {
        if token.len() > MAX_TOKEN_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let payload = Payload { msg: sealed, aad: &binding.aad() };
        let plain = self.0.decrypt(XNonce::from_slice(nonce), payload).ok()?;
        let (expiry, rest) = plain.split_first_chunk::<8>()?;
        let (key, id) = rest.split_first_chunk::<8>()?;
        let after = PageAfter {
            key: i64::from_be_bytes(*key),
            id: uuid::Uuid::from_bytes(id.try_into().ok()?),
        };
        (now.as_micros() < i64::from_be_bytes(*expiry)).then_some(after)
    }
}

impl Binding<'_> {
    fn aad(self) -> [u8; 32] {
        // The method has a length of its own, so that no two bindings read the same.
        let length = u64::try_from(self.method.len()).unwrap_or(u64::MAX);
        let hash = Sha256::new().chain_update([VERSION]).chain_update(self.user.as_uuid());
        let hash = hash.chain_update(length.to_be_bytes()).chain_update(self.method);
        hash.chain_update(self.filter).finalize().into()
    }
}

/// The paging fields of a list request.
pub(crate) trait Listing: prost::Message + Clone {
    fn page_size(&self) -> i32;
    fn page_token(&self) -> &str;
    /// `filter` and `order_by`, which no list of this version supports.
    fn unsupported(&self) -> [(&'static str, &str); 2];
    /// What a token is bound to: the request without its paging fields.
    fn without_paging(&self) -> Self;
}

macro_rules! listings {
    ($($request:ty,)*) => {$(
        impl Listing for $request {
            fn page_size(&self) -> i32 {
                self.page_size
            }
            fn page_token(&self) -> &str {
                &self.page_token
            }
            fn unsupported(&self) -> [(&'static str, &str); 2] {
                [("filter", &self.filter), ("order_by", &self.order_by)]
            }
            fn without_paging(&self) -> Self {
                Self { page_size: 0, page_token: String::new(), ..self.clone() }
            }
        }
    )*};
}

listings! {
    api::admin::ListUsersRequest,
    api::admin::ListUserWorkflowsRequest,
    api::admin::ListUserSessionsRequest,
    api::admin::ListAllRunsRequest,
    api::permissions::ListUsersRequest,
    api::permissions::ListTeamsRequest,
    api::permissions::ListMembersRequest,
    api::permissions::ListRolesRequest,
    api::permissions::ListRoleAssignmentsRequest,
    api::agent::ListRunsRequest,
    api::agent::ListPatchesRequest,
    api::agent::ListSessionsRequest,
    api::agent::ListRepositoriesRequest,
    api::workflow::ListWorkflowsRequest,
    api::workflow::ListWorkflowRevisionsRequest,
    api::workflow::ListTemplatesRequest,
    api::workflow::ListWorkItemsRequest,
    api::workflow::ListTransitionsRequest,
    api::workflow::ListCommentsRequest,
    api::workflow::ListQueueRequest,
    api::workflow::ListMyWorkRequest,
    api::workflow::ListOverdueRequest,
    api::workflow::ListTriggerFiringsRequest,
    api::audit::ListAuditEventsRequest,
}

impl Listing for api::workflow::MigrateWorkItemsRequest {
    fn page_size(&self) -> i32 {
        self.page_size
    }
    fn page_token(&self) -> &str {
        &self.page_token
    }
    fn unsupported(&self) -> [(&'static str, &str); 2] {
        [("filter", ""), ("order_by", "")]
    }
    /// Batches of one migration are calls of their own.
    fn without_paging(&self) -> Self {
        let (page_token, etag, request_id) = Default::default();
        Self { page_size: 0, page_token, etag, request_id, ..self.clone() }
    }
}

/// The page a request asks for. `open` reads its token.
pub(crate) fn requested(
    request: &impl Listing,
    open: impl FnOnce(&str) -> Checked<PageAfter>,
) -> Checked<PageRequest> {
    let set = request.unsupported().into_iter().find(|(_, text)| !text.is_empty());
    if let Some((field, _)) = set {
        let help = "is not supported here yet: leave it empty";
        return Err(InvalidArgs::because("FILTER_NOT_SUPPORTED", field, help));
    }
    let size = match u32::try_from(request.page_size()) {
        Err(_) => return Err(InvalidArgs::new("page_size", "must not be negative")),
        Ok(0) => DEFAULT_PAGE_SIZE,
        Ok(size) => size.min(MAX_PAGE_SIZE),
    };
    let after = match request.page_token() {
        "" => None,
        token => Some(open(token)?),
    };
    Ok(PageRequest { size, after })
}

#[cfg(test)]
mod tests {
    use api::workflow::ListWorkItemsRequest;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn place() -> PageAfter {
        PageAfter { key: -5, id: UserId::generate().as_uuid() }
    }

    #[test]
    fn a_token_opens_for_what_it_was_made_for_only() {
        let (key, other) = (PageKey::random(), PageKey::random());
        let own = Binding { user: UserId::generate(), method: "/a/B", filter: b"f" };
        let after = place();
        let token = key.seal(own, after, NOW);
        let reason = |opened: Checked<PageAfter>| opened.unwrap_err().reason;
        assert_eq!(key.open(own, &token, NOW), Ok(after));
        assert_eq!(key.open(own, &token, NOW + LIFETIME - Duration::from_secs(1)), Ok(after));

        assert_eq!(reason(key.open(own, &token, NOW + LIFETIME)), "INVALID_PAGE_TOKEN");
        let foreign = Binding { user: UserId::generate(), ..own };
        assert_eq!(reason(key.open(foreign, &token, NOW)), "INVALID_PAGE_TOKEN");
        for binding in [
            Binding { method: "/a/C", ..own },
            Binding { filter: b"g", ..own },
            Binding { filter: b"", ..own },
            Binding { method: "/a/Bf", filter: b"", ..own },
        ] {
            assert_eq!(reason(key.open(binding, &token, NOW)), "INVALID_PAGE_TOKEN");
        }
        assert_eq!(reason(other.open(own, &token, NOW)), "INVALID_PAGE_TOKEN");
        for bad in ["", "!", "AAAA", &token[1..], &"A".repeat(300), &format!("{token}A")] {
            assert_eq!(reason(key.open(own, bad, NOW)), "INVALID_PAGE_TOKEN", "{bad}");
        }
    }

    #[test]
    fn any_changed_character_closes_a_token() {
        let key = PageKey::random();
        let own = Binding { user: UserId::generate(), method: "/a/B", filter: b"f" };
        let token = key.seal(own, place(), NOW);
        // The last character has bits that decode to nothing; changing it is refused too.
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(key.open(own, &changed, NOW).is_err(), "at {at}");
        }
    }

    #[test]
    fn sizes_follow_the_contract() {
        let with = |page_size| ListWorkItemsRequest { page_size, ..Default::default() };
        let size = |n| requested(&with(n), |_| Ok(place())).map(|page| page.size);
        assert_eq!((size(0), size(1), size(200)), (Ok(50), Ok(1), Ok(200)));
        assert_eq!((size(201), size(i32::MAX)), (Ok(200), Ok(200)));
        for negative in [-1, i32::MIN] {
            assert_eq!(size(negative).unwrap_err().fields[0].field, "page_size");
        }
    }

    #[test]
    fn filters_are_refused_by_name() {
        for (filter, order_by, field) in [("a = 1", "", "filter"), ("", "name", "order_by")] {
            let request = ListWorkItemsRequest {
                filter: filter.into(),
                order_by: order_by.into(),
                page_size: -1,
                ..Default::default()
            };
            let refused = requested(&request, |_| Ok(place())).unwrap_err();
            assert_eq!(refused.reason, "FILTER_NOT_SUPPORTED");
            assert_eq!(refused.fields[0].field, field);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(token in "\\PC{0,300}", sealed in any::<Vec<u8>>()) {
            let key = PageKey::random();
            let own = Binding { user: UserId::generate(), method: "/a/B", filter: b"f" };
            prop_assert!(key.open(own, &token, NOW).is_err());
            prop_assert!(key.open(own, &URL_SAFE_NO_PAD.encode(sealed), NOW).is_err());
        }
    }
}
