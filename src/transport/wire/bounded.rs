//! Byte strings, texts and lists that are checked against a limit when they are written, and when they are
//! read, before anything is allocated for them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{self, Serializer};
use serde::{Deserialize, Serialize};

fn over<E: ser::Error>(length: usize, limit: usize) -> E {
    E::custom(format_args!("{length} where at most {limit} are allowed"))
}

/// At most `MAX` bytes.
pub(super) struct Bytes<const MAX: usize>;

impl<const MAX: usize> Bytes<MAX> {
    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if bytes.len() > MAX {
            return Err(over(bytes.len(), MAX));
        }
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(Self)
    }
}

impl<const MAX: usize> Visitor<'_> for Bytes<MAX> {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        if bytes.len() > MAX {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        Ok(bytes.to_vec())
    }
}

/// Nothing, or at most `MAX` bytes.
pub(super) struct Maybe<const MAX: usize>;

impl<const MAX: usize> Maybe<MAX> {
    #[allow(clippy::ref_option, reason = "serde hands the field over so")]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(Slice::<MAX>).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Owned<MAX>>::deserialize(deserializer)?.map(|owned| owned.0))
    }
}

struct Slice<'a, const MAX: usize>(&'a [u8]);

impl<const MAX: usize> Serialize for Slice<'_, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes::<MAX>::serialize(self.0, serializer)
    }
}

struct Owned<const MAX: usize>(Vec<u8>);

impl<'de, const MAX: usize> Deserialize<'de> for Owned<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes::<MAX>::deserialize(deserializer).map(Self)
    }
}

/// A text of at most `MAX` bytes.
pub(super) struct Text<const MAX: usize>;

impl<const MAX: usize> Text<MAX> {
    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        if text.len() > MAX {
            return Err(over(text.len(), MAX));
        }
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl<const MAX: usize> Visitor<'_> for Text<MAX> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text of at most {MAX} bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        if text.len() > MAX {
            return Err(E::invalid_length(text.len(), &self));
        }
        Ok(text.to_owned())
    }
}

/// A list of at most `MAX` items. Room is made as items are read, never for the number that is announced.
pub(super) struct List<T, const MAX: usize>(PhantomData<T>);

impl<T, const MAX: usize> List<T, MAX> {
    pub(super) fn serialize<S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
    {
        if items.len() > MAX {
            return Err(over(items.len(), MAX));
        }
        serializer.collect_seq(items)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: Deserialize<'de>,
    {
        deserializer.deserialize_seq(Self(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        if let Some(length) = seq.size_hint().filter(|length| *length > MAX) {
            return Err(de::Error::invalid_length(length, &self));
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == MAX {
                return Err(de::Error::invalid_length(MAX + 1, &self));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// A list of at most `MAX` byte strings of at most `BYTES` bytes.
pub(super) struct Many<const MAX: usize, const BYTES: usize>;

impl<const MAX: usize, const BYTES: usize> Many<MAX, BYTES> {
    pub(super) fn serialize<S: Serializer>(all: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        if all.len() > MAX {
            return Err(over(all.len(), MAX));
        }
        serializer.collect_seq(all.iter().map(|bytes| Slice::<BYTES>(bytes)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        let all = List::<Owned<BYTES>, MAX>::deserialize(deserializer)?;
        Ok(all.into_iter().map(|bytes| bytes.0).collect())
    }
}

/// A list of at most `MAX` names of at most `NAME` bytes, each with at most `BYTES` bytes.
pub(super) struct Named<const MAX: usize, const NAME: usize, const BYTES: usize>;

impl<const MAX: usize, const NAME: usize, const BYTES: usize> Named<MAX, NAME, BYTES> {
    pub(super) fn serialize<S: Serializer>(
        pairs: &[(String, Vec<u8>)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if pairs.len() > MAX {
            return Err(over(pairs.len(), MAX));
        }
        serializer
            .collect_seq(pairs.iter().map(|(name, bytes)| (Name::<NAME>(name.into()), Slice::<BYTES>(bytes))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, Vec<u8>)>, D::Error> {
        let pairs = List::<(Name<NAME>, Owned<BYTES>), MAX>::deserialize(deserializer)?;
        Ok(pairs.into_iter().map(|(name, bytes)| (name.0, bytes.0)).collect())
    }
}

struct Name<const MAX: usize>(String);

impl<const MAX: usize> Serialize for Name<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text::<MAX>::serialize(&self.0, serializer)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Name<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<MAX>::deserialize(deserializer).map(Self)
    }
}
