//! CreateAccountAlias, ListAccountAliases, DeleteAccountAlias.

use coffer_store::RowTable;

use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::page::Page;
use crate::params::invalid;
use crate::records::AccountNameRecord;
use crate::rows;
use crate::xml::Xml;

/// Names the account: it has one alias, and no other account has the same.
pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let alias = alias(request)?;
    request.authorize("iam:CreateAccountAlias", "*")?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut account = change.account().await?;
    let row = rows::alias(alias);
    let (owner, version) = request.iam.store().row::<AccountNameRecord>(RowTable::Identity, &row).await?;
    match owner {
        Some(owner) if owner.account == account.id => return Ok(String::new()),
        Some(_) => {
            let message = format!("The account alias {alias} already exists.");
            return Err(ApiError::entity_already_exists(message));
        }
        None => {}
    }
    if let Some(old) = account.alias.replace(alias.to_owned()) {
        change.rows().delete(RowTable::Identity, &rows::alias(&old));
    }
    let name = AccountNameRecord { account: account.id.clone() };
    change.rows().check(RowTable::Identity, &row, version).put(request.iam.store(), RowTable::Identity, &row, &name);
    change.put_account(&account);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    request.authorize("iam:ListAccountAliases", "*")?;
    let account = request.iam.account(request.account()?).await?;
    let aliases = account.and_then(|account| account.alias).into_iter().collect();
    let page = Page::of(aliases, &request.params, |alias: &String| alias)?;
    let mut xml = Xml::new();
    xml.list("AccountAliases", &page.items, |xml, alias| xml.escape(alias));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let alias = alias(request)?;
    request.authorize("iam:DeleteAccountAlias", "*")?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut account = change.account().await?;
    if account.alias.as_deref() != Some(alias) {
        return Err(ApiError::no_such_entity(format!("The account alias with name {alias} cannot be found.")));
    }
    account.alias = None;
    change.rows().delete(RowTable::Identity, &rows::alias(alias));
    change.put_account(&account);
    change.commit().await?;
    Ok(String::new())
}

/// `AccountAlias`: 3 to 63 lower-case letters, digits and single hyphens within.
fn alias<'a>(request: &'a ApiRequest<'_>) -> Result<&'a str, ApiError> {
    let alias = request.params.required("AccountAlias")?;
    let is_sound = (3..=63).contains(&alias.len())
        && alias.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !alias.starts_with('-')
        && !alias.ends_with('-')
        && !alias.contains("--");
    if is_sound {
        return Ok(alias);
    }
    let must = "Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$";
    Err(invalid("AccountAlias", Some(alias), must))
}

#[cfg(test)]
mod tests {
    use crate::testing::{World, code, texts};

    async fn aliases(world: &World) -> Vec<String> {
        let list = world.root("ListAccountAliases", &[]).await.unwrap();
        assert!(list.contains("<AccountAliases>"), "{list}");
        texts(&list, "AccountAliases").iter().flat_map(|list| texts(list, "member")).collect()
    }

    #[tokio::test]
    async fn an_account_has_one_alias() {
        let world = World::new().await;
        assert!(aliases(&world).await.is_empty());
        for alias in ["first", "first", "second-1"] {
            world.root("CreateAccountAlias", &[("AccountAlias", alias)]).await.unwrap();
            assert_eq!(aliases(&world).await, [alias]);
        }
        assert_eq!(code(world.root("DeleteAccountAlias", &[("AccountAlias", "first")]).await), "NoSuchEntity");
        world.root("DeleteAccountAlias", &[("AccountAlias", "second-1")]).await.unwrap();
        assert!(aliases(&world).await.is_empty());
    }

    #[tokio::test]
    async fn what_is_no_alias_is_refused() {
        let world = World::new().await;
        for alias in ["", "ab", "Abc", "-abc", "abc-", "a--b", "a_b", "ab\u{e9}", &"a".repeat(64)] {
            let refused = world.root("CreateAccountAlias", &[("AccountAlias", alias)]).await;
            assert_eq!(code(refused), "ValidationError", "{alias}");
        }
        let bob = world.user("bob").await;
        for (action, params) in [("CreateAccountAlias", &[("AccountAlias", "mine")][..]), ("ListAccountAliases", &[])] {
            assert_eq!(code(world.ask(&bob, action, params).await), "AccessDenied");
        }
    }
}
