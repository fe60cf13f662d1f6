//! How inputs are read: some bytes that choose, then the content.

/// Splits the first `N` bytes off; short inputs count as ended in zeros.
pub(crate) fn head<const N: usize>(input: &[u8]) -> ([u8; N], &[u8]) {
    let mut head = [0; N];
    let (first, rest) = input.split_at_checked(N).unwrap_or((input, &[]));
    for (place, byte) in head.iter_mut().zip(first) {
        *place = *byte;
    }
    (head, rest)
}

/// The text up to the first NUL, and what follows it.
pub(crate) fn before_nul(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == 0) {
        Some(at) => (input.get(..at).unwrap_or_default(), input.get(at + 1..).unwrap_or_default()),
        None => (input, &[]),
    }
}

/// A text of any bytes.
pub(crate) fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// A uuid that is told apart from others by its last byte.
pub(crate) const fn uuid(last: u8) -> uuid::Uuid {
    uuid::Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, last])
}
