//! A statement as it is written: which elements it has, before it is known what may be in them.

use super::json::Json;

/// The elements of a statement. An element with its opposite is said with whether it is the opposite.
#[derive(Default)]
pub(super) struct RawStatement<'a> {
    pub(super) sid: Option<&'a Json>,
    pub(super) effect: Option<&'a Json>,
    pub(super) principal: Option<(bool, &'a Json)>,
    pub(super) action: Option<(bool, &'a Json)>,
    pub(super) resource: Option<(bool, &'a Json)>,
    pub(super) condition: Option<&'a Json>,
}

/// What is wrong with the elements of a statement.
pub(super) enum RawFault<'a> {
    /// It is no object.
    NoObject,
    /// There is no such element.
    Unknown(&'a str),
    /// The element is there, and its opposite, too.
    Both(&'static str),
}

impl<'a> RawStatement<'a> {
    /// Sorts the elements.
    pub(super) fn read(json: &'a Json) -> Result<Self, RawFault<'a>> {
        let mut raw = Self::default();
        for (name, value) in json.members().ok_or(RawFault::NoObject)? {
            let (element, opposite) = match name.as_str() {
                "Sid" => {
                    raw.sid = Some(value);
                    continue;
                }
                "Effect" => {
                    raw.effect = Some(value);
                    continue;
                }
                "Condition" => {
                    raw.condition = Some(value);
                    continue;
                }
                "Principal" => (&mut raw.principal, false),
                "NotPrincipal" => (&mut raw.principal, true),
                "Action" => (&mut raw.action, false),
                "NotAction" => (&mut raw.action, true),
                "Resource" => (&mut raw.resource, false),
                "NotResource" => (&mut raw.resource, true),
                unknown => return Err(RawFault::Unknown(unknown)),
            };
            if element.replace((opposite, value)).is_some() {
                let name = if name.ends_with("Principal") {
                    "Principal"
                } else if name.ends_with("Action") {
                    "Action"
                } else {
                    "Resource"
                };
                return Err(RawFault::Both(name));
            }
        }
        Ok(raw)
    }
}
