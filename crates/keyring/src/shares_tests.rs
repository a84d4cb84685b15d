use coffer_seal::KeyState;

use super::*;

fn shared(generations: u32) -> Shared {
    let entry = |generation| KeyringEntry {
        id: [7; 16],
        generation,
        state: if generation == generations { KeyState::Active } else { KeyState::DecryptOnly },
        created: 1_700_000_000,
        key: Key32::generate(),
    };
    Shared {
        entries: (1..=generations).map(entry).collect(),
        fingerprint: "1a2b-3c4d-5e6f-7081".to_owned(),
        generation: generations,
    }
}

fn lines(threshold: u8, count: u8) -> (Shared, Vec<String>) {
    let shared = shared(2);
    let lines = split(&shared, threshold, count).unwrap();
    (shared, lines.iter().map(|line| String::clone(line)).collect())
}

fn error(lines: &[&str]) -> ShareError {
    join(&lines.join("\n")).err().unwrap()
}

/// Another line of the same form, with a right check sum.
fn rewritten(line: &str, from: &str, to: &str) -> String {
    let (checked, _) = line.rsplit_once(" check=").unwrap();
    let checked = checked.replacen(from, to, 1);
    let check = hex(&sha256(checked.as_bytes())[..8]);
    format!("{checked} check={check}")
}

#[test]
fn enough_shares_are_the_whole_keyring() {
    let (shared, lines) = lines(2, 3);
    for pair in [[0, 1], [2, 0], [1, 2]] {
        let joined = join(&format!("\n{}\n\n  {}  \r\n", lines[pair[0]], lines[pair[1]])).unwrap();
        assert_eq!((joined.fingerprint.as_str(), joined.generation), (shared.fingerprint.as_str(), 2));
        for (joined, entry) in joined.entries.iter().zip(&shared.entries) {
            assert_eq!((joined.id, joined.generation, joined.state), (entry.id, entry.generation, entry.state));
            assert!(joined.key.expose() == entry.key.expose());
        }
    }
}

#[test]
fn a_share_is_one_line_that_says_what_it_is() {
    let (_, lines) = lines(2, 3);
    let line = &lines[1];
    assert!(line.starts_with("coffer-share-v1 set="), "{line}");
    assert!(line.contains(" share=2/3 threshold=2 root=1a2b-3c4d-5e6f-7081 generation=2 data="), "{line}");
    assert!(!line.contains('\n'));
}

#[test]
fn two_exports_share_nothing() {
    let shared = shared(1);
    let (first, second) = (split(&shared, 2, 2).unwrap(), split(&shared, 2, 2).unwrap());
    let error = error(&[&first[0], &second[1]]);
    assert!(matches!(&error, ShareError::Mixed { line: 2, first, other } if first != other), "{error}");
    assert!(error.to_string().contains("cannot be mixed"), "{error}");
}

#[test]
fn too_few_shares_say_how_many_are_missing() {
    let (_, lines) = lines(3, 5);
    let error = error(&[&lines[0], &lines[4], &lines[0]]);
    assert!(matches!(error, ShareError::TooFew { given: 2, needed: 3, .. }), "{error}");
    assert!(error.to_string().contains("find 1 more"), "{error}");
}

#[test]
fn a_flipped_or_missing_character_is_found() {
    let (_, lines) = lines(2, 2);
    let line = lines[0].as_bytes();
    for place in "coffer-share-v1 ".len()..line.len() {
        let mut flipped = line.to_vec();
        flipped[place] ^= 1;
        let flipped = String::from_utf8_lossy(&flipped).into_owned();
        assert!(matches!(
            error(&[&flipped, &lines[1]]),
            ShareError::Damaged { line: 1 } | ShareError::NotAShare { line: 1, .. }
        ));
        let cut = &lines[0][..place];
        assert!(matches!(
            error(&[&lines[1], cut]),
            ShareError::Damaged { line: 2 } | ShareError::NotAShare { line: 2, .. }
        ));
    }
}

#[test]
fn a_forged_share_gives_no_garbage() {
    let (_, lines) = lines(2, 3);
    let (head, data) = lines[0].split_once("data=").unwrap();
    let (data, _) = data.split_once(' ').unwrap();
    let mut payload = STANDARD.decode(data).unwrap();
    payload[5] ^= 1;
    let forged = rewritten(&lines[0], data, &STANDARD.encode(&payload));
    assert!(forged.starts_with(head));
    assert_eq!(error(&[&forged, &lines[1]]), ShareError::Forged);
    assert_eq!(error(&[&forged, &lines[0]]), ShareError::Contradiction(1));
}

#[test]
fn a_share_with_a_lower_threshold_does_not_help() {
    let (_, lines) = lines(3, 3);
    let lowered: Vec<_> = lines.iter().map(|line| rewritten(line, "threshold=3", "threshold=2")).collect();
    assert_eq!(error(&[&lowered[0], &lowered[1]]), ShareError::Forged);
    assert!(matches!(error(&[&lines[0], &lowered[1], &lines[2]]), ShareError::Mixed { line: 2, .. }));
}

#[test]
fn another_keyring_beside_the_share_is_of_another_set() {
    let (_, lines) = lines(2, 2);
    let (_, data) = lines[0].split_once("data=").unwrap();
    let (data, _) = data.split_once(' ').unwrap();
    let mut payload = STANDARD.decode(data).unwrap();
    *payload.last_mut().unwrap() ^= 1;
    let forged = rewritten(&lines[0], data, &STANDARD.encode(&payload));
    assert!(matches!(error(&[&lines[1], &forged]), ShareError::Mixed { line: 2, .. }));
}

#[test]
fn there_is_one_way_to_write_a_share() {
    let (_, lines) = lines(2, 2);
    for (from, to) in
        [("share=1/2", "share=01/2"), ("threshold=2", "threshold=+2"), (" set=", "  set="), (" data=", " data= ")]
    {
        let other = rewritten(&lines[0], from, to);
        assert!(matches!(error(&[&other, &lines[1]]), ShareError::NotAShare { line: 1, .. }), "{to}");
    }
}

#[test]
fn what_is_no_share_is_said_to_be_none() {
    let (_, lines) = lines(2, 2);
    for line in ["", "hello", "coffer-key-v1:AAAA", "coffer-share-v1", "coffer-share-v2 set=1 check=0"] {
        assert!(join(line).is_err(), "{line}");
    }
    assert!(matches!(error(&[&lines[0], "hello"]), ShareError::NotAShare { line: 2, .. }));
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    for (threshold, count) in [(1, 1), (1, 3), (4, 3), (0, 0)] {
        let error = split(&shared(1), threshold, count).err().unwrap();
        assert_eq!(error, ShareError::Numbers { threshold, count });
    }
}
