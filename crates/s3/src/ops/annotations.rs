//! GetObjectAnnotation, ListObjectAnnotations, PutObjectAnnotation, DeleteObjectAnnotation: no object has any.

use http::StatusCode;

use super::{S3Operations, version};
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::Operation;
use crate::xml;

/// The most annotations of a page, and how many there are in one by default.
const MOST_RESULTS: u32 = 1000;

impl S3Operations {
    pub(super) async fn object_annotation(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let Some(name) = request.query.non_empty("annotationName") else {
            return Err(S3Error::annotation_name_missing());
        };
        self.check_annotated(request).await?;
        match request.route.operation {
            Operation::PutObjectAnnotation => Err(S3Error::feature_not_implemented("Annotations")),
            Operation::DeleteObjectAnnotation => Ok(S3Response::new(StatusCode::NO_CONTENT)),
            _ => Err(S3Error::no_such_annotation(name)),
        }
    }

    pub(super) async fn list_object_annotations(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let max_results = max_results(request)?;
        self.check_annotated(request).await?;
        if request.query.contains("continuation-token") {
            let message = "The continuation token provided is incorrect";
            return Err(S3Error::invalid_argument(message, "continuation-token", None));
        }
        Ok(S3Response::xml(xml::document("ListObjectAnnotationsOutput", |xml| {
            xml.element("Annotations", |_| {});
            xml.text("Bucket", request.bucket_name()).text("Key", request.key_text());
            xml.text_if("AnnotationPrefix", request.query.get("annotation-prefix"));
            if let Some(max) = max_results {
                xml.value("MaxAnnotationResults", max);
            }
            xml.value("AnnotationCount", 0);
        })))
    }

    /// Refuses an object that is not there.
    async fn check_annotated(&self, request: &S3Request) -> Result<(), S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let target = version::target(request, &key)?;
        let subject = version::subject(request);
        self.store.object_info(&bucket, target).await.map(drop).map_err(|error| subject.error(error))
    }
}

fn max_results(request: &S3Request) -> Result<Option<u32>, S3Error> {
    const NAME: &str = "max-annotation-results";
    let refused = |message: &'static str, text| Err(S3Error::invalid_argument(message, NAME, Some(text)));
    match request.query.get(NAME) {
        None => Ok(None),
        Some("") => Ok(Some(MOST_RESULTS)),
        Some(text) => match text.parse::<i32>() {
            Ok(max) => match u32::try_from(max) {
                Ok(max @ 1..=MOST_RESULTS) => Ok(Some(max)),
                _ => refused("Argument max-annotation-results must be an integer between 1 and 1000", text),
            },
            Err(_) => refused("Provided max-annotation-results not an integer or within integer range", text),
        },
    }
}
