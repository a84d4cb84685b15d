//! Policies that are a part of a user, group or role: Put, Get, Delete and List of each.

use coffer_access::Policy;

use super::document;
use super::holder::{Holder, named, set_boundary};
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::page::Page;
use crate::records::InlinePolicyRecord;
use crate::xml::Xml;

/// The longest name of a policy.
const MAX_NAME_LEN: usize = 128;

pub(super) async fn put<T: Holder>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let name = request.params.name("PolicyName", MAX_NAME_LEN)?;
    let document = document::text(&request.params, "PolicyDocument")?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut holder = named::<T>(request, change.view(), set_boundary).await?;
    document::identity(&request.params, "PolicyDocument")?;
    let policies = &mut holder.policies_mut().inline;
    policies.retain(|policy| !policy.name.eq_ignore_ascii_case(name));
    policies.push(InlinePolicyRecord { name: name.to_owned(), document: document.to_owned() });
    policies.sort_by_key(|policy| policy.name.to_lowercase());
    if policies.iter().map(|policy| Policy::len_of(&policy.document)).sum::<usize>() > T::MAX_INLINE_LEN {
        return Err(ApiError::limit_exceeded(format!(
            "Maximum policy size of {} bytes exceeded for {} {}",
            T::MAX_INLINE_LEN,
            T::NOUN,
            holder.name()
        )));
    }
    change.put(&holder);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn get<T: Holder>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let name = request.params.name("PolicyName", MAX_NAME_LEN)?;
    let holder = named::<T>(request, &request.iam.view(request.account()?), |_, _| {}).await?;
    let found = holder.policies().inline.iter().find(|policy| policy.name.eq_ignore_ascii_case(name));
    let policy = found.ok_or_else(|| not_found::<T>(name))?;
    let mut xml = Xml::new();
    xml.text(T::PARAM, holder.name())
        .text("PolicyName", &policy.name)
        .text("PolicyDocument", &document::encoded(&policy.document));
    Ok(xml.into_string())
}

pub(super) async fn delete<T: Holder>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let name = request.params.name("PolicyName", MAX_NAME_LEN)?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut holder = named::<T>(request, change.view(), set_boundary).await?;
    let policies = &mut holder.policies_mut().inline;
    let before = policies.len();
    policies.retain(|policy| !policy.name.eq_ignore_ascii_case(name));
    if policies.len() == before {
        return Err(not_found::<T>(name));
    }
    change.put(&holder);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list<T: Holder>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let holder = named::<T>(request, &request.iam.view(request.account()?), |_, _| {}).await?;
    let names = holder.policies().inline.iter().map(|policy| policy.name.clone()).collect();
    let page = Page::of(names, &request.params, |name: &String| name)?;
    let mut xml = Xml::new();
    xml.list("PolicyNames", &page.items, |xml, name| xml.escape(name));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

fn not_found<T: Holder>(name: &str) -> ApiError {
    ApiError::no_such_entity(format!("The {} policy with name {name} cannot be found.", T::NOUN))
}
