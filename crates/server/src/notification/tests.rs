//! Who may use a target. How it is delivered to, the end-to-end tests show.

use coffer_s3::notification::EventTargets as _;

use super::*;

fn targets(accounts: &[&str]) -> EventTargets {
    let webhook = crate::config::Webhook {
        url: "https://example.org".to_owned(),
        token_file: None,
        signing_key_file: None,
        ca_file: None,
        accounts: accounts.iter().map(|account| (*account).to_owned()).collect(),
    };
    let settings = TargetSettings::from([("hook".to_owned(), TargetSetting::Webhook(webhook))]);
    EventTargets::open(&settings, "000000000000").unwrap()
}

#[test]
fn a_target_is_the_first_accounts_unless_the_settings_say_else() {
    let admission = |accounts: &[&str], account| targets(accounts).admission("hook", account);
    assert_eq!(admission(&[], "000000000000"), TargetAdmission::Admitted);
    assert_eq!(admission(&[], "111122223333"), TargetAdmission::Forbidden);
    assert_eq!(admission(&["111122223333"], "111122223333"), TargetAdmission::Admitted);
    assert_eq!(admission(&["111122223333"], "444455556666"), TargetAdmission::Forbidden);
    assert_eq!(admission(&["*"], "444455556666"), TargetAdmission::Admitted);
    assert_eq!(targets(&["*"]).admission("other", "000000000000"), TargetAdmission::Missing);
}
