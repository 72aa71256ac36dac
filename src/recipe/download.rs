//! Downloads and archives.

use super::bytes::ByteString;
use super::error::{Cause, Misfit, quote};
use super::json::{Json, JsonForm, hex_pair};

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Download {
    /// From where.
    pub url: DownloadUrl,
    /// What its bytes must hash to.
    pub hash: DownloadHash,
}

/// A URL, exactly as the URL standard writes it.
///
/// Brioche hashes a URL in the form in which a parser of that standard writes it again (host in lower
/// case, no default port, a path, …). Rather than to normalise, only those `http`, `https` and `ftp` URLs
/// are taken that are certainly in that form already: one that is not would get another hash here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DownloadUrl(String);

/// The digest of a file to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DownloadHash {
    /// SHA-256. Brioche does not check its length before it compares; nor does this.
    Sha256(Vec<u8>),
}

/// A kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveFormat {
    /// `tar`.
    Tar,
    /// `zip`.
    Zip,
}

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CompressionFormat {
    /// Not at all (or, for `zip`, in itself).
    #[default]
    None,
    /// `bzip2`.
    Bzip2,
    /// `gzip`.
    Gzip,
    /// `xz`.
    Xz,
    /// `zstd`.
    Zstd,
}

impl DownloadUrl {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a URL that is in its normal form.
    ///
    /// # Errors
    /// [`Cause::Download`] for any other.
    pub fn new(url: &str) -> Result<Self, Cause> {
        match defect(url) {
            None => Ok(Self(url.to_owned())),
            Some(why) => Err(Cause::Download(why, quote(url))),
        }
    }
}

/// Why a URL is not certain to be in its normal form.
fn defect(url: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Some("no absolute URL") };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        "ftp" => ":21",
        _ => return Some("no `http`, `https` or `ftp` URL"),
    };
    let Some((host, tail)) = rest.find('/').map(|slash| rest.split_at(slash)) else {
        return Some("a URL without a path, not even `/`");
    };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let labels = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let last = name.rsplit('.').find(|label| !label.is_empty()).unwrap_or_default();
    let digits = host[name.len()..].strip_prefix(':');
    if name.is_empty() || !name.bytes().all(labels) || name.contains("xn--") {
        return Some("a URL whose host is not plain lower-case ASCII");
    }
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        return Some("a URL whose host is an address");
    }
    if digits.is_some_and(|digits| {
        digits.starts_with('0')
            || digits.parse::<u16>().is_err()
            || !digits.bytes().all(|b| b.is_ascii_digit())
    }) || host.ends_with(port)
    {
        return Some("a URL with a port that would be written in another way");
    }
    let path = tail.find(['?', '#']).map_or(tail, |end| &tail[..end]);
    let dots = |segment: &str| matches!(&*segment.to_ascii_lowercase().replace("%2e", "."), "." | "..");
    if path.split('/').any(dots) {
        return Some("a URL with `.` or `..` in its path");
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&()*+,;=:@/%?#".contains(&b);
    if !tail.bytes().all(plain) {
        return Some("a URL with a character that may have to be escaped");
    }
    None
}

impl JsonForm for DownloadUrl {
    fn write(&self) -> Json<'_> {
        Json::String(self.0.as_str().into())
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        Ok(Self::new(&json.string()?)?)
    }
}

impl JsonForm for DownloadHash {
    fn write(&self) -> Json<'_> {
        let Self::Sha256(digest) = self;
        let digits: String = digest.iter().flat_map(|byte| hex_pair(*byte)).collect();
        Json::tagged("sha256", [("value", Json::String(digits.into()))])
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        let mut fields = json.fields()?;
        let hash = match &*fields.tag()? {
            "sha256" => {
                let digits: ByteString = fields.required("value")?;
                Self::Sha256(from_hex(digits.as_bytes()).map_err(|misfit| misfit.within("value"))?)
            }
            other => return Err(Cause::NoSuch("type of hash", quote(other)).into()),
        };
        fields.finish()?;
        Ok(hash)
    }
}

fn from_hex(digits: &[u8]) -> Result<Vec<u8>, Misfit> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let bytes: Option<_> = digits.chunks(2).map(byte).collect();
    let text = || quote(&String::from_utf8_lossy(digits));
    bytes.ok_or_else(|| Cause::Download("not pairs of hexadecimal digits", text()).into())
}

impl ArchiveFormat {
    const ALL: [Self; 2] = [Self::Tar, Self::Zip];

    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Zip => "zip",
        }
    }
}

impl CompressionFormat {
    const ALL: [Self; 5] = [Self::None, Self::Bzip2, Self::Gzip, Self::Xz, Self::Zstd];

    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bzip2 => "bzip2",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

impl JsonForm for ArchiveFormat {
    fn write(&self) -> Json<'_> {
        Json::word(self.name())
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        json.one_of("archive format", Self::ALL, Self::name)
    }
}

impl JsonForm for CompressionFormat {
    fn write(&self) -> Json<'_> {
        Json::word(self.name())
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        json.one_of("compression format", Self::ALL, Self::name)
    }
}
