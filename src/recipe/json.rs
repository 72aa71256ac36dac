//! JSON, as far as recipes need it: a tree read strictly, and written canonically (RFC 8785).
//!
//! The writer is our own because recipes hold no numbers but small whole ones and no field names but
//! ASCII ones, so that writing cannot fail and a recipe always has a hash; the tests compare it with the
//! `json-canon` crate. What is read is stricter than what `serde` derives: an object is never read from
//! an array, a tag never from a number, and no field may come twice or be unknown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::bytes::ByteString;
use super::digest::{ArtifactHash, BadDigest, BlobDigest, RecipeHash};
use super::error::{Cause, Misfit, quote};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number(u32),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    /// In the order of the names, each there once.
    Object(Vec<Field<'a>>),
}

type Field<'a> = (Cow<'a, str>, Json<'a>);

/// A type with a form in JSON.
pub(super) trait JsonForm: Sized {
    fn write(&self) -> Json<'_>;
    fn read(json: Json<'_>) -> Result<Self, Misfit>;
}

impl<'a> Json<'a> {
    /// Reads one value that is all of the text.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// An object with these fields, those left out that are `None`.
    pub(super) fn object(fields: impl IntoIterator<Item = (&'static str, Option<Json<'a>>)>) -> Self {
        let present = |(name, value): (&'static str, Option<_>)| Some((Cow::Borrowed(name), value?));
        Self::sorted(fields.into_iter().filter_map(present).collect())
    }

    fn sorted(mut fields: Vec<Field<'a>>) -> Self {
        fields.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Self::Object(fields)
    }

    /// An object with a `type` and these fields.
    pub(super) fn tagged<const N: usize>(tag: &'static str, fields: [(&'static str, Json<'a>); N]) -> Self {
        let tag = ("type", Some(Self::word(tag)));
        Self::object([tag].into_iter().chain(fields.map(|(name, value)| (name, Some(value)))))
    }

    /// A word that never needs escapes.
    pub(super) fn word(word: &'static str) -> Self {
        Self::String(Cow::Borrowed(word))
    }

    /// One of a fixed set of words.
    pub(super) fn one_of<T: Copy, const N: usize>(
        self,
        what: &'static str,
        all: [T; N],
        name: fn(T) -> &'static str,
    ) -> Result<T, Misfit> {
        let word = self.string()?;
        let found = all.into_iter().find(|one| name(*one) == word);
        found.ok_or_else(|| Cause::NoSuch(what, quote(&word)).into())
    }

    /// The canonical text.
    pub(super) fn to_canonical(&self) -> String {
        let mut out = String::with_capacity(1024);
        self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    item.write_to(out);
                }
                out.push(']');
            }
            // RFC 8785 orders names by UTF-16 units: for ASCII, which all of ours are, that is the
            // order that they are in.
            Self::Object(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    write_string(name, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    pub(super) fn unlike(&self, expected: &'static str) -> Misfit {
        Cause::Kind(expected, self.kind()).into()
    }

    pub(super) fn string(self) -> Result<Cow<'a, str>, Misfit> {
        match self {
            Self::String(text) => Ok(text),
            other => Err(other.unlike("a string")),
        }
    }

    pub(super) fn fields(self) -> Result<Fields<'a>, Misfit> {
        match self {
            Self::Object(fields) => Ok(Fields(fields)),
            other => Err(other.unlike("an object")),
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    let escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.as_bytes().iter().position(escaped) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            control => {
                out.push_str("\\u00");
                out.extend(hex_pair(control));
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// A byte as two lower-case hexadecimal digits.
pub(super) fn hex_pair(byte: u8) -> impl Iterator<Item = char> {
    [byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16))
}

/// The fields of an object that are still to be read.
pub(super) struct Fields<'a>(Vec<Field<'a>>);

impl<'a> Fields<'a> {
    /// The `type`.
    pub(super) fn tag(&mut self) -> Result<Cow<'a, str>, Misfit> {
        let tag = self.take("type").ok_or(Cause::Missing("type"))?;
        tag.string().map_err(|misfit| misfit.within("type"))
    }

    /// A field that must be there.
    pub(super) fn required<T: JsonForm>(&mut self, name: &'static str) -> Result<T, Misfit> {
        self.optional(name)?.ok_or_else(|| Cause::Missing(name).into())
    }

    /// A field that may be left out.
    pub(super) fn optional<T: JsonForm>(&mut self, name: &'static str) -> Result<Option<T>, Misfit> {
        self.take(name).map(T::read).transpose().map_err(|misfit| misfit.within(name))
    }

    fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Checks that every field was read.
    pub(super) fn finish(self) -> Result<(), Misfit> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Cause::Unknown(quote(name)).into()),
        }
    }
}

impl JsonForm for bool {
    fn write(&self) -> Json<'_> {
        Json::Bool(*self)
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        match json {
            Json::Bool(value) => Ok(value),
            other => Err(other.unlike("a boolean")),
        }
    }
}

impl JsonForm for u32 {
    fn write(&self) -> Json<'_> {
        Json::Number(*self)
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        match json {
            Json::Number(value) => Ok(value),
            other => Err(other.unlike("a number")),
        }
    }
}

impl<T: JsonForm> JsonForm for Box<T> {
    fn write(&self) -> Json<'_> {
        T::write(self)
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        T::read(json).map(Self::new)
    }
}

impl<T: JsonForm> JsonForm for Option<T> {
    fn write(&self) -> Json<'_> {
        self.as_ref().map_or(Json::Null, T::write)
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        if json == Json::Null { Ok(None) } else { T::read(json).map(Some) }
    }
}

impl<T: JsonForm> JsonForm for Vec<T> {
    fn write(&self) -> Json<'_> {
        Json::Array(self.iter().map(T::write).collect())
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        let Json::Array(items) = json else { return Err(json.unlike("an array")) };
        let read = |(index, item)| T::read(item).map_err(|misfit| misfit.within(&format!("[{index}]")));
        items.into_iter().enumerate().map(read).collect()
    }
}

impl<T: JsonForm> JsonForm for BTreeMap<ByteString, T> {
    fn write(&self) -> Json<'_> {
        let encoded = |(name, value)| (tick_encoding::encode(ByteString::as_bytes(name)), T::write(value));
        Json::sorted(self.iter().map(encoded).collect())
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        let read = |(name, value): (Cow<'_, str>, _)| {
            let inside = |misfit: Misfit| misfit.within(&format!("[{:?}]", quote(&name)));
            let key = ByteString::from_ticks(&name).map_err(|bad| inside(bad.into()))?;
            Ok((key, T::read(value).map_err(inside)?))
        };
        json.fields()?.0.into_iter().map(read).collect()
    }
}

macro_rules! digests_in_json {
    ($($digest:ty)*) => {$(
        impl JsonForm for $digest {
            fn write(&self) -> Json<'_> {
                Json::String(Cow::Owned(self.to_hex()))
            }

            fn read(json: Json<'_>) -> Result<Self, Misfit> {
                let text = json.string()?;
                Ok(text.parse().map_err(|BadDigest(text)| BadDigest(quote(&text)))?)
            }
        }
    )*};
}

digests_in_json! { BlobDigest ArtifactHash RecipeHash }

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Field names, which are strings as values are: borrowed where the text allows it.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Reader)? {
            Json::String(name) => Ok(Self(name)),
            other => Err(de::Error::custom(other.unlike("a field's name"))),
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number below 2^32")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        let small =
            u32::try_from(value).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self));
        small.map(Json::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        fields.sort_by(|(one, _): &Field<'_>, (other, _)| one.cmp(other));
        match fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => {
                Err(de::Error::custom(format_args!("the field {:?} comes twice", quote(&pair[0].0))))
            }
            None => Ok(Json::Object(fields)),
        }
    }
}
