//! Public keys of the token issuer.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

/// The one algorithm a key is used with, whatever a token's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// Ed25519.
    EdDSA,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
}

/// One public key in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// As in the token's header.
    pub kid: String,
    pub alg: Algorithm,
    pub path: PathBuf,
}

/// All of them: tables in the file, `KID=ALG:PATH,…` in a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFiles(pub Vec<KeyFile>);

impl KeyFiles {
    fn parse(text: &str) -> Result<Self, String> {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        keys.map(KeyFile::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl KeyFile {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?}: expected KID=ALG:PATH, as in k1=EdDSA:/etc/key.pem");
        let (kid, rest) = text.split_once('=').ok_or_else(expected)?;
        let (alg, path) = rest.split_once(':').ok_or_else(expected)?;
        let alg = match alg {
            "EdDSA" => Algorithm::EdDSA,
            "ES256" => Algorithm::ES256,
            "RS256" => Algorithm::RS256,
            _ => return Err(format!("{text:?}: the algorithm is EdDSA, ES256 or RS256")),
        };
        if kid.is_empty() || path.is_empty() {
            return Err(expected());
        }
        Ok(Self { kid: kid.to_owned(), alg, path: path.into() })
    }
}

impl<'de> Deserialize<'de> for KeyFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Keys {
            Line(String),
            Tables(Vec<KeyFile>),
        }
        match Keys::deserialize(deserializer)? {
            Keys::Line(line) => Self::parse(&line).map_err(serde::de::Error::custom),
            Keys::Tables(keys) => Ok(Self(keys)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_key_algorithm_and_file() {
        let keys = KeyFiles::parse("a=EdDSA:/k/a.pem,b=RS256:/k/b:c.pem").unwrap();
        let [a, b] = keys.0.as_slice() else { panic!("{keys:?}") };
        assert_eq!((a.kid.as_str(), a.alg), ("a", Algorithm::EdDSA));
        assert_eq!((b.alg, b.path.to_str()), (Algorithm::RS256, Some("/k/b:c.pem")));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["a", "a=EdDSA", "a=HS256:/k", "=EdDSA:/k", "a=EdDSA:", "a=eddsa:/k"] {
            assert!(KeyFiles::parse(text).is_err(), "{text}");
        }
    }
}
