//! Pages of lists: `MaxItems`, `Marker`, `IsTruncated`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ApiError;
use crate::params::Params;
use crate::xml::Xml;

/// A page of a list.
pub(crate) struct Page<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    marker: Option<String>,
}

impl<T> Page<T> {
    /// The page that the parameters ask for, of `items` in the order of what `name` returns of each.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn of(items: Vec<T>, params: &Params, name: impl Fn(&T) -> &str) -> Result<Self, ApiError> {
        let max = params.number("MaxItems", 1, 1000)?.unwrap_or(100) as usize;
        let after = match params.get("Marker") {
            Some(marker) => Some(decode(marker).ok_or_else(|| ApiError::validation("Invalid Marker."))?),
            None => None,
        };
        let mut items: Vec<T> = items
            .into_iter()
            .filter(|item| after.as_deref().is_none_or(|after| name(item).to_lowercase().as_str() > after))
            .collect();
        let is_truncated = items.len() > max;
        items.truncate(max);
        let marker =
            items.last().filter(|_| is_truncated).map(|last| URL_SAFE_NO_PAD.encode(name(last).to_lowercase()));
        Ok(Self { items, marker })
    }

    /// Writes `IsTruncated` and `Marker`.
    pub(crate) fn write_end(&self, xml: &mut Xml) {
        xml.value("IsTruncated", self.marker.is_some());
        xml.text_if("Marker", self.marker.as_deref());
    }
}

fn decode(marker: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let names: Vec<String> = (0..7).map(|n| format!("n{n}")).collect();
        let (mut seen, mut form) = (Vec::new(), "MaxItems=3".to_owned());
        loop {
            let page = Page::of(names.clone(), &Params::parse(&form).unwrap(), |name| name).unwrap();
            seen.extend(page.items.clone());
            match &page.marker {
                Some(marker) => form = format!("MaxItems=3&Marker={marker}"),
                None => break,
            }
        }
        assert_eq!(seen, names);
    }

    #[test]
    fn markers_and_sizes_that_are_none_are_refused() {
        for form in ["MaxItems=0", "MaxItems=1001", "MaxItems=x", "Marker=%21"] {
            assert!(Page::of(vec!["a".to_owned()], &Params::parse(form).unwrap(), |name| name).is_err(), "{form}");
        }
    }
}
