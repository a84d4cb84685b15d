//! Tags of users, roles, policies and identity providers.

use coffer_access::Context;

use crate::error::ApiError;
use crate::page::Page;
use crate::params::{Params, invalid};
use crate::records::TagRecord;
use crate::xml::Xml;

/// The most tags of anything.
const MOST: usize = 50;

/// Adds tags. One whose key differs in nothing but case is replaced.
///
/// # Errors
/// `LimitExceeded`.
pub(crate) fn add(tags: &mut Vec<TagRecord>, new: Vec<TagRecord>) -> Result<(), ApiError> {
    tags.retain(|tag| !new.iter().any(|new| new.key.eq_ignore_ascii_case(&tag.key)));
    tags.extend(new);
    if tags.len() > MOST {
        return Err(ApiError::limit_exceeded(format!("The number of tags has reached the maximum limit of {MOST}.")));
    }
    Ok(())
}

/// Removes tags; ones that are not there are no error.
pub(crate) fn remove(tags: &mut Vec<TagRecord>, keys: &[&str]) {
    tags.retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
}

/// The keys in `TagKeys`.
///
/// # Errors
/// `ValidationError`.
pub(crate) fn keys(params: &Params) -> Result<Vec<&str>, ApiError> {
    let keys = params.list("TagKeys");
    if keys.is_empty() {
        return Err(invalid("TagKeys", None, "Member must not be null"));
    }
    if let Some(key) = keys.iter().find(|key| key.is_empty() || key.chars().count() > 128) {
        return Err(invalid("TagKeys", Some(key), "Member must have length between 1 and 128"));
    }
    Ok(keys)
}

/// Sets the condition key of the tags that a request removes.
pub(crate) fn set_keys(context: &mut Context, keys: &[&str]) {
    context.set_all("aws:TagKeys", keys.iter().map(|key| (*key).to_owned()).collect());
}

/// Writes a page of tags.
///
/// # Errors
/// `ValidationError`.
pub(crate) fn page(tags: &[TagRecord], params: &Params) -> Result<String, ApiError> {
    let mut tags = tags.to_vec();
    tags.sort_by_key(|tag| tag.key.to_lowercase());
    let page = Page::of(tags, params, |tag| &tag.key)?;
    let mut xml = Xml::new();
    super::users::write_tags(&mut xml, &page.items);
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> TagRecord {
        TagRecord { key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_tag_replaces_one_that_differs_in_case() {
        let mut tags = vec![tag("Department", "finance"), tag("b", "1")];
        assert!(add(&mut tags, vec![tag("department", "hr")]).is_ok());
        assert!(tags == [tag("b", "1"), tag("department", "hr")]);
        remove(&mut tags, &["B", "unknown"]);
        assert!(tags == [tag("department", "hr")]);
    }

    #[test]
    fn the_fifty_first_tag_is_refused() {
        let mut tags = (0..50).map(|n| tag(&format!("k{n}"), "v")).collect::<Vec<_>>();
        assert!(add(&mut tags, vec![tag("k0", "other")]).is_ok());
        assert!(add(&mut tags, vec![tag("more", "v")]).is_err());
    }
}
