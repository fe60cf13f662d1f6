//! Protobuf on the wire, with the contract's answer to bytes that are not a message.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec as TonicCodec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstEncoder};

use crate::{parts, refusal};

/// Encodes `T` and decodes `U`. Named by the generated clients and servers; on a client a
/// refusal means that the server's answer was broken.
pub struct Codec<T, U> {
    messages: PhantomData<fn(T) -> U>,
}

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self { messages: PhantomData }
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: Message + 'static,
    U: Message + Name + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder { message: PhantomData }
    }
}

/// Decodes `U`; what does not decode is `INVALID_ARGUMENT`/`MALFORMED_MESSAGE`.
///
/// Nesting deeper than prost's limit of 100 messages does not decode either, so no input
/// can exhaust the stack here or where the message is dropped. A request of too many parts is
/// `RESOURCE_EXHAUSTED`/`MESSAGE_TOO_LARGE` before memory is taken for any of them.
pub struct MessageDecoder<U> {
    message: PhantomData<fn() -> U>,
}

impl<U: Message + Name + Default> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = bytes.copy_to_bytes(bytes.remaining());
        if !parts::are_few(&U::full_name(), &bytes) {
            return Err(refusal::too_many_parts(parts::MAX_PARTS));
        }
        // The decoder's own text names Rust types: of no use to a peer in another language.
        U::decode(bytes).map(Some).map_err(|_| refusal::malformed("not a valid protobuf message"))
    }
}
