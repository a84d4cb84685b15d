//! Reading `multipart/form-data`: the fields up to the file, and the file as a stream.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{Stream, stream};
use multer::{Field, Multipart};

use crate::body::Source;
use crate::error::S3Error;

/// The fields of a form, and its file.
pub(super) struct Form {
    fields: Vec<(String, String)>,
    /// The file, at its first byte.
    pub(super) file: FormFile,
}

impl Form {
    /// Reads the fields in front of the file. `${filename}` in them becomes the name of the file.
    pub(super) async fn read(source: Source, content_type: &str) -> Result<Self, S3Error> {
        if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            let condition = "Bucket POST must be of the enclosure-type multipart/form-data";
            return Err(S3Error::precondition_failed(condition));
        }
        let boundary = multer::parse_boundary(content_type).map_err(|_| S3Error::malformed_post_request())?;
        let in_file = Arc::new(AtomicBool::new(false));
        let mut parts = Multipart::new(metered(source, Arc::clone(&in_file)), boundary);
        let mut fields = Vec::new();
        let mut len = 0;
        loop {
            let Some(mut part) = parts.next_field().await.map_err(refuse)? else {
                return Err(one_file(0));
            };
            let name =
                part.name().filter(|name| !name.is_empty()).ok_or_else(S3Error::malformed_post_request)?.to_owned();
            if name.eq_ignore_ascii_case("file") {
                in_file.store(true, Ordering::Relaxed);
                if let Some(file_name) = part.file_name() {
                    expand(&mut fields, base_name(file_name), len)?;
                }
                let file = FormFile { part: Some(part), parts, in_file, len: 0, allowed_len: 0..=u64::MAX };
                return Ok(Self { fields, file });
            }
            let mut value = Vec::new();
            len += name.len();
            while let Some(bytes) = part.chunk().await.map_err(refuse)? {
                len += bytes.len();
                if len > MAX_PRE_DATA_LEN {
                    return Err(S3Error::max_post_pre_data_length_exceeded(MAX_PRE_DATA_LEN));
                }
                value.extend_from_slice(&bytes);
            }
            let value = String::from_utf8(value).map_err(|_| S3Error::malformed_post_request())?;
            append(&mut fields, name, &value);
        }
    }

    /// Names as they were sent, and values.
    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// The value of the field that is called `name` in any case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of the field `name`, which the error calls `shown`.
    pub(super) fn required(&self, name: &str, shown: &str) -> Result<&str, S3Error> {
        self.get(name).ok_or_else(|| {
            let message = format!(
                "Bucket POST must contain a field named '{shown}'.  If it is specified, please check the order of the \
                 fields."
            );
            S3Error::invalid_argument(message, shown, Some(""))
        })
    }

    #[cfg(test)]
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        let parts = Multipart::new(stream::empty::<Result<Bytes, S3Error>>(), "x");
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let file = FormFile { part: None, parts, in_file: Arc::default(), len: 0, allowed_len: 0..=u64::MAX };
        Self { fields, file }
    }
}

/// The file of a form, as it arrives.
pub struct FormFile {
    part: Option<Field<'static>>,
    parts: Multipart<'static>,
    in_file: Arc<AtomicBool>,
    len: u64,
    allowed_len: RangeInclusive<u64>,
}

impl FormFile {
    /// Sets how many bytes the file may have.
    pub(super) fn limit(&mut self, allowed_len: RangeInclusive<u64>) {
        self.allowed_len = allowed_len;
    }

    /// Returns the next bytes, never empty; `None` at the end of the form, whose fields behind the file are ignored.
    ///
    /// # Errors
    /// `EntityTooLarge` as soon as the file is, with the bytes so far as `ProposedSize`; `EntityTooSmall`;
    /// `MalformedPOSTRequest`; `InvalidArgument` for a second file; what the connection fails with.
    pub async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        while let Some(part) = &mut self.part {
            match part.chunk().await.map_err(refuse)? {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => {
                    self.len += bytes.len() as u64;
                    if self.len > *self.allowed_len.end() {
                        return Err(S3Error::entity_too_large(self.len, *self.allowed_len.end()));
                    }
                    return Ok(Some(bytes));
                }
                None => {
                    self.part = None;
                    self.in_file.store(false, Ordering::Relaxed);
                    self.finish().await?;
                }
            }
        }
        Ok(None)
    }

    async fn finish(&mut self) -> Result<(), S3Error> {
        if self.len < *self.allowed_len.start() {
            return Err(S3Error::entity_too_small(self.len, *self.allowed_len.start()));
        }
        while let Some(mut ignored) = self.parts.next_field().await.map_err(refuse)? {
            if ignored.name().is_some_and(|name| name.eq_ignore_ascii_case("file")) {
                return Err(one_file(2));
            }
            while ignored.chunk().await.map_err(refuse)?.is_some() {}
        }
        Ok(())
    }
}

/// The bytes of the connection, one piece for each time that the parser asks, so that it cannot buffer a fast client's
/// whole body; outside of the file only as many as fields and boundaries may have.
fn metered(source: Source, in_file: Arc<AtomicBool>) -> impl Stream<Item = Result<Bytes, S3Error>> + Send {
    stream::unfold((source, in_file, 0), async |(mut source, in_file, mut outside_len)| {
        // The parser reads on for as long as the stream is ready.
        tokio::task::yield_now().await;
        if in_file.load(Ordering::Relaxed) {
            outside_len = 0;
        } else if outside_len > MAX_OUTSIDE_LEN {
            let error = S3Error::max_post_pre_data_length_exceeded(MAX_PRE_DATA_LEN);
            return Some((Err(error), (source, in_file, outside_len)));
        }
        match source.next().await {
            Ok(Some(bytes)) => {
                outside_len += bytes.len();
                Some((Ok(bytes), (source, in_file, outside_len)))
            }
            Ok(None) => None,
            Err(error) => Some((Err(error), (source, in_file, outside_len))),
        }
    })
}

/// Several fields of one name are one field, their values joined by `,`.
fn append(fields: &mut Vec<(String, String)>, name: String, value: &str) {
    match fields.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(&name)) {
        Some((_, joined)) => {
            joined.push(',');
            joined.push_str(value);
        }
        None => fields.push((name, value.to_owned())),
    }
}

/// Policy and signature are what they are: there is nothing to expand.
///
/// `len` are the bytes of the fields before. What the name of the file adds counts too, before it is added: else some
/// thousand references to a long name would be hundreds of megabytes, and nobody is authenticated yet.
fn expand(fields: &mut [(String, String)], file_name: &str, mut len: usize) -> Result<(), S3Error> {
    for (name, value) in fields {
        let fixed = ["policy", "signature", "x-amz-signature"].iter().any(|fixed| name.eq_ignore_ascii_case(fixed));
        let count = if fixed { 0 } else { value.matches(FILE_NAME).count() };
        len += count * file_name.len();
        if len > MAX_PRE_DATA_LEN {
            return Err(S3Error::max_post_pre_data_length_exceeded(MAX_PRE_DATA_LEN));
        }
        if count > 0 {
            *value = value.replace(FILE_NAME, file_name);
        }
    }
    Ok(())
}

/// Browsers may send a path: only what follows its last slash or backslash is the name.
fn base_name(file_name: &str) -> &str {
    file_name.rsplit(['/', '\\']).next().unwrap_or(file_name)
}

fn one_file(count: u8) -> S3Error {
    let message = "POST requires exactly one file upload per request.";
    S3Error::invalid_argument(message, "file", Some(&count.to_string()))
}

/// The parser's own complaints are about the form; what the connection failed with comes back as it was.
fn refuse(error: multer::Error) -> S3Error {
    match error {
        multer::Error::StreamReadFailed(error) => match error.downcast::<S3Error>() {
            Ok(error) => *error,
            Err(_) => S3Error::body_cut_short(),
        },
        _ => S3Error::malformed_post_request(),
    }
}

const FILE_NAME: &str = "${filename}";

/// Bytes of names and values in front of the file.
const MAX_PRE_DATA_LEN: usize = 20 * 1024;

/// Bytes on the wire in front of the file, and behind it: the fields with generous boundaries and part headers.
const MAX_OUTSIDE_LEN: usize = 128 * 1024;
