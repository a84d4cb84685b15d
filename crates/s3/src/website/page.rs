//! Errors as the website endpoint of S3 shows them to people.

use std::fmt::Write as _;

use crate::error::S3Error;

/// The HTML page of an error. `of_document` is what went wrong with the document that would have stood in its place.
pub(crate) fn error_page(error: &S3Error, of_document: Option<&S3Error>, request_id: &str, host_id: &str) -> String {
    let status = error.status();
    let title = format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default());
    let mut page = format!("<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n");
    write_list(error, &[("RequestId", request_id), ("HostId", host_id)], &mut page);
    if let Some(error) = of_document {
        page.push_str("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n");
        write_list(error, &[], &mut page);
    }
    page.push_str("<hr/>\n</body>\n</html>\n");
    page
}

fn write_list(error: &S3Error, more: &[(&str, &str)], page: &mut String) {
    page.push_str("<ul>\n");
    let first = [("Code", error.code()), ("Message", error.message())];
    for (name, value) in first.into_iter().chain(error.elements()).chain(more.iter().copied()) {
        let _ = write!(page, "<li>{name}: ");
        escape(value, page);
        page.push_str("</li>\n");
    }
    page.push_str("</ul>\n");
}

fn escape(text: &str, page: &mut String) {
    for c in text.chars() {
        match c {
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '&' => page.push_str("&amp;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            c if c.is_control() => page.push(char::REPLACEMENT_CHARACTER),
            c => page.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_page() {
        assert_eq!(
            error_page(&S3Error::no_such_key("a"), None, "R", "H"),
            "<html>\n<head><title>404 Not Found</title></head>\n<body>\n<h1>404 Not Found</h1>\n<ul>\n\
             <li>Code: NoSuchKey</li>\n<li>Message: The specified key does not exist.</li>\n<li>Key: a</li>\n\
             <li>RequestId: R</li>\n<li>HostId: H</li>\n</ul>\n<hr/>\n</body>\n</html>\n"
        );
    }

    #[test]
    fn an_error_document_that_is_not_there_is_an_error_too() {
        let page = error_page(&S3Error::access_denied(), Some(&S3Error::no_such_key("404.html")), "R", "H");
        assert!(page.contains(
            "</ul>\n<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n\
             <li>Code: NoSuchKey</li>\n<li>Message: The specified key does not exist.</li>\n<li>Key: 404.html</li>\n\
             </ul>\n<hr/>"
        ));
    }

    #[test]
    fn a_page_quotes_nothing_that_a_browser_would_run() {
        let page = error_page(&S3Error::no_such_key("<script>alert('1')</script>&\"\u{0}\u{1b}"), None, "R", "H");
        let quoted = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}\u{fffd}";
        assert!(page.contains(quoted) && !page.contains("<script"), "{page}");
    }
}
