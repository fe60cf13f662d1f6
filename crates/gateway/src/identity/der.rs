//! Just enough DER to read a `SubjectPublicKeyInfo`.

/// Tags used in public keys.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// A public key by what it is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicKey<'a> {
    /// 32 bytes.
    Ed25519(&'a [u8]),
    /// The uncompressed point, 65 bytes.
    P256(&'a [u8]),
    Rsa {
        modulus: &'a [u8],
        exponent: &'a [u8],
    },
}

/// Reads a `SubjectPublicKeyInfo`; `None` for anything else and for other kinds of key.
pub(super) fn public_key(spki: &[u8]) -> Option<PublicKey<'_>> {
    let (content, rest) = element(SEQUENCE, spki)?;
    let (algorithm, key) = element(SEQUENCE, content)?;
    let (kind, parameters) = element(OBJECT_ID, algorithm)?;
    let (bits, after) = element(BIT_STRING, key)?;
    // The first byte of a bit string counts the unused bits at its end.
    let (0, key) = bits.split_first().map(|(unused, key)| (*unused, key))? else { return None };
    if !rest.is_empty() || !after.is_empty() {
        return None;
    }
    match kind {
        ED25519 => (key.len() == 32).then_some(PublicKey::Ed25519(key)),
        EC if element(OBJECT_ID, parameters)?.0 == P256 => {
            (key.len() == 65 && key.starts_with(&[4])).then_some(PublicKey::P256(key))
        }
        RSA => {
            let (modulus, exponent) = element(INTEGER, element(SEQUENCE, key)?.0)?;
            let (exponent, _) = element(INTEGER, exponent)?;
            Some(PublicKey::Rsa { modulus: unsigned(modulus), exponent: unsigned(exponent) })
        }
        _ => None,
    }
}

/// The content of the first element, which must have this tag, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(one, rest)| (usize::from(*one), rest))?,
        0x82 => {
            let (two, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*two)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

/// Without the zero that keeps a DER integer positive.
fn unsigned(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}
