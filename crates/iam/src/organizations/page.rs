//! Pages of lists: `MaxResults`, `NextToken`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::refusal;
use crate::error::ApiError;
use crate::params::Params;

/// The most on a page.
const MOST: u32 = 20;

/// The page that the parameters ask for, as the object of an answer. `items` are in the order of their IDs.
///
/// # Errors
/// `InvalidInputException`.
pub(super) fn page(
    name: &str,
    items: impl IntoIterator<Item = (String, Value)>,
    params: &Params,
) -> Result<String, ApiError> {
    let max = params.number("MaxResults", 1, MOST)?.unwrap_or(MOST) as usize;
    let after = match params.get("NextToken") {
        Some(token) => Some(decode(token).ok_or_else(|| refusal("InvalidInputException", "Invalid NextToken."))?),
        None => None,
    };
    let mut items = items.into_iter().filter(|(id, _)| after.as_ref().is_none_or(|after| id > after)).peekable();
    let mut on_page: Vec<Value> = Vec::new();
    let mut last = String::new();
    while let Some((id, item)) = items.next_if(|_| on_page.len() < max) {
        on_page.push(item);
        last = id;
    }
    let mut answer = serde_json::Map::new();
    answer.insert(name.to_owned(), Value::Array(on_page));
    if items.peek().is_some() {
        answer.insert("NextToken".to_owned(), Value::String(URL_SAFE_NO_PAD.encode(last)));
    }
    Ok(Value::Object(answer).to_string())
}

fn decode(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let items: Vec<(String, Value)> = (10..60).map(|n| (n.to_string(), Value::from(n))).collect();
        let (mut seen, mut form) = (Vec::new(), "MaxResults=7".to_owned());
        loop {
            let answer = page("Items", items.clone(), &Params::parse(&form).unwrap()).unwrap();
            let answer: Value = serde_json::from_str(&answer).unwrap();
            seen.extend(answer["Items"].as_array().unwrap().iter().filter_map(Value::as_i64));
            match answer["NextToken"].as_str() {
                Some(token) => form = format!("MaxResults=7&NextToken={token}"),
                None => break,
            }
        }
        assert_eq!(seen, (10..60).collect::<Vec<_>>());
    }

    #[test]
    fn tokens_and_sizes_that_are_none_are_refused() {
        for form in ["MaxResults=0", "MaxResults=21", "MaxResults=x", "NextToken=%21"] {
            assert!(page("Items", Vec::new(), &Params::parse(form).unwrap()).is_err(), "{form}");
        }
    }
}
