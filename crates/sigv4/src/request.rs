//! A request, as far as its signature is concerned.

/// A request as it came over the wire. The path and the query string are still percent-encoded.
#[derive(Clone, Copy)]
pub struct RequestParts<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path, without the query string.
    pub path: &'a str,
    /// What follows the `?`; empty without one.
    pub query: &'a str,
    /// Lowercase names and raw values, in order. `host` must be there: the caller of HTTP/2 makes it of `:authority`.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// The values of one header.
pub(crate) enum Field<'a> {
    Absent,
    One(&'a [u8]),
    Several,
}

impl<'a> RequestParts<'a> {
    /// The values of the header `name`, in order.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |header| header.0 == name).map(|header| header.1)
    }

    /// The value of a header that means something only when there is one of it.
    pub(crate) fn field(&self, name: &str) -> Field<'a> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => Field::Absent,
            (Some(value), None) => Field::One(value),
            (Some(_), Some(_)) => Field::Several,
        }
    }
}
