//! A replica follows its version: tags, retention, legal hold.

use std::fmt::Write as _;

use coffer_store::ObjectInfo;
use quick_xml::escape::escape;

use crate::answer::Failure;
use crate::bring::{Bringing, REPLICA, iso8601};
use crate::call::Call;

impl Bringing<'_> {
    /// Makes a replica as the version is now. What a version was made with never changes.
    ///
    /// # Errors
    /// [`Failure::Absent`] if the replica is gone.
    pub(crate) async fn follow(&self, info: &ObjectInfo, replica: Option<&str>) -> Result<(), Failure> {
        let about = |method| {
            let call = self.call(method);
            match replica {
                Some(version_id) => call.query("versionId", version_id),
                None => call,
            }
        };
        let change = |method, what| about(method).query(what, "").header(REPLICA, self.version_id());
        let there = self.target.call(about("HEAD")).await?;
        let tag_count = there.header("x-amz-tagging-count").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
        if !info.tags.is_empty() {
            self.target.call(change("PUT", "tagging").document(tagging(&info.tags))).await?;
        } else if tag_count > 0 {
            self.target.call(change("DELETE", "tagging")).await?;
        }
        if let Some(retention) = info.lock.retention.filter(|retention| retention.holds(self.now_ms)) {
            let (mode, until) = (retention.mode.name(), iso8601(retention.until_ms));
            let document =
                format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>");
            self.target.call(change("PUT", "retention").document(document)).await.map_err(never_if_refused)?;
        }
        if let Some(held) = info.lock.legal_hold {
            let status = if held { "ON" } else { "OFF" };
            let document = format!("<LegalHold><Status>{status}</Status></LegalHold>");
            self.send_hold(change("PUT", "legal-hold"), document, held).await?;
        }
        Ok(())
    }

    /// A hold that is not there need not be released where there are none.
    async fn send_hold(&self, call: Call<'_>, document: String, held: bool) -> Result<(), Failure> {
        match self.target.call(call.document(document)).await {
            Ok(_) => Ok(()),
            Err(Failure::Never(_)) if !held => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// A retention that the destination does not let go is not let go later either.
fn never_if_refused(failure: Failure) -> Failure {
    match failure {
        Failure::Later(why) => Failure::Never(why),
        failure => failure,
    }
}

fn tagging(tags: &[(String, String)]) -> String {
    let mut document = String::from("<Tagging><TagSet>");
    for (key, value) in tags {
        let _ = write!(document, "<Tag><Key>{}</Key><Value>{}</Value></Tag>", escape(key), escape(value));
    }
    document.push_str("</TagSet></Tagging>");
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_cannot_break_out_of_their_document() {
        let document = tagging(&[("a<b".to_owned(), "</Value>&".to_owned())]);
        assert!(document.contains("<Key>a&lt;b</Key><Value>&lt;/Value&gt;&amp;</Value>"), "{document}");
    }
}
