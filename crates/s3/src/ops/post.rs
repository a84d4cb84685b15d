//! PostObject: an upload by an HTML form, whose signature and policy hold already.

use coffer_configuration::Tag;
use http::{StatusCode, header};

use super::S3Operations;
use super::expiration::write_expiration;
use super::put::write_stored;
use crate::error::S3Error;
use crate::etag::quoted;
use crate::headers::Headers;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::tags::{TAGGING, TagsOf};
use crate::xml::{XmlWriter, parse_tagging};

impl S3Operations {
    pub(super) async fn post_object(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let form = request.form.take().ok_or_else(S3Error::internal_error)?;
        let tags = form.tagging.map(|document| form_tags(&document, &request.headers)).transpose()?;
        let (stored, sealing) = self.store_body(request, tags).await?;
        let etag = quoted(&stored.info.etag);
        let location = request.location();
        let mut response = match form.answer.redirect(request.bucket_name(), request.key_text(), &etag) {
            Some(url) => S3Response::new(StatusCode::SEE_OTHER).with(header::LOCATION, url),
            None if form.answer.status == StatusCode::CREATED => {
                // The one document of S3 without a namespace.
                let mut xml = XmlWriter::new();
                xml.element("PostResponse", |xml| {
                    xml.text("Location", &location)
                        .text("Bucket", request.bucket_name())
                        .text("Key", request.key_text())
                        .text("ETag", &etag);
                });
                let mut response = S3Response::xml(xml.into_string());
                response.status = StatusCode::CREATED;
                response.with(header::LOCATION, &location)
            }
            None => S3Response::new(form.answer.status).with(header::LOCATION, &location),
        };
        write_stored(&stored, sealing.customer_key(), &mut response.headers);
        write_expiration(&request.bucket()?, &request.object_key()?, &stored.info, &mut response.headers);
        Ok(response)
    }
}

/// The tags in the field `tagging`.
///
/// # Errors
/// `MalformedXML`, `InvalidTag`, `BadRequest`; `InvalidRequest` if the header's field says tags as well.
fn form_tags(document: &str, headers: &Headers) -> Result<Vec<Tag>, S3Error> {
    if headers.contains(TAGGING) {
        return Err(S3Error::invalid_request("Conflicting values provided in HTTP headers and POST form fields."));
    }
    let tags = parse_tagging(document.as_bytes())?;
    TagsOf::Object.check(&tags)?;
    Ok(tags)
}
