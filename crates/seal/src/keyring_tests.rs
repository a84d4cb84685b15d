use super::*;

const FEW: NonZeroU32 = NonZeroU32::new(1000).unwrap();
const PASSPHRASE: &[u8] = b"correct horse battery staple";

fn key_file() -> Key32 {
    Key32::from_slice(&[8; 32]).unwrap()
}

fn entries() -> Vec<KeyringEntry> {
    let entry = |generation, state| KeyringEntry {
        id: [1; 16],
        generation,
        state,
        created: 1_760_000_000,
        key: Key32::from_slice(&[generation as u8; 32]).unwrap(),
    };
    vec![entry(1, KeyState::Destroyed), entry(2, KeyState::DecryptOnly), entry(3, KeyState::Active)]
}

fn check_refused(result: Result<Vec<KeyringEntry>, OpenError>, expected: OpenError) {
    assert!(result.is_err_and(|error| error == expected));
}

#[test]
fn opens_what_it_sealed() {
    let by_key = seal_keyring_with_key_file(&key_file(), &entries());
    let by_passphrase = seal_keyring_with_passphrase(PASSPHRASE, FEW, &entries()).unwrap();
    for opened in [
        open_keyring_with_key_file(&key_file(), &by_key).ok().unwrap(),
        open_keyring_with_passphrase(PASSPHRASE, FEW, &by_passphrase).ok().unwrap(),
    ] {
        assert_eq!(opened.len(), 3);
        for (opened, sealed) in opened.iter().zip(entries()) {
            assert_eq!((opened.id, opened.generation, opened.created), (sealed.id, sealed.generation, sealed.created));
            assert_eq!(opened.state, sealed.state);
        }
        assert_eq!(opened[2].key.expose(), &[3; 32]);
    }
}

#[test]
fn a_destroyed_key_is_not_written() {
    let file = seal_keyring_with_key_file(&key_file(), &entries());
    assert_eq!(open_keyring_with_key_file(&key_file(), &file).ok().unwrap()[0].key.expose(), &[0; 32]);
}

#[test]
fn another_key_file_or_passphrase_is_a_wrong_key() {
    let file = seal_keyring_with_key_file(&key_file(), &entries());
    check_refused(open_keyring_with_key_file(&Key32::generate(), &file), OpenError::WrongKey);
    let file = seal_keyring_with_passphrase(PASSPHRASE, FEW, &entries()).unwrap();
    check_refused(open_keyring_with_passphrase(b"correct horse battery stapler", FEW, &file), OpenError::WrongKey);
}

#[test]
fn a_file_opens_only_by_the_means_it_was_sealed_with() {
    let by_key = seal_keyring_with_key_file(&key_file(), &entries());
    assert!(matches!(open_keyring_with_passphrase(PASSPHRASE, FEW, &by_key), Err(OpenError::Malformed(_))));
    let by_passphrase = seal_keyring_with_passphrase(PASSPHRASE, FEW, &entries()).unwrap();
    assert!(matches!(open_keyring_with_key_file(&key_file(), &by_passphrase), Err(OpenError::Malformed(_))));
}

#[test]
fn a_file_says_what_opens_it() {
    let by_key = seal_keyring_with_key_file(&key_file(), &entries());
    let by_passphrase = seal_keyring_with_passphrase(PASSPHRASE, FEW, &entries()).unwrap();
    assert_eq!(keyring_protection(&by_key), Ok(KeyringProtection::KeyFile));
    assert_eq!(keyring_protection(&by_passphrase), Ok(KeyringProtection::Passphrase));
    let mut unknown = by_key;
    unknown[4] = 2;
    assert_eq!(keyring_protection(&unknown), Err(OpenError::Malformed("keyring")));
    assert!(keyring_protection(b"SKR1\x01").is_err());
}

#[test]
fn weak_and_absurd_parameters_are_refused() {
    let seal = |passphrase, iterations| seal_keyring_with_passphrase(passphrase, iterations, &entries());
    assert!(seal(b"thirteen byte", FEW).is_err());
    assert!(seal(PASSPHRASE, NonZeroU32::new(MAX_ITERATIONS + 1).unwrap()).is_err());
    let file = seal(PASSPHRASE, FEW).unwrap();
    let opened = open_keyring_with_passphrase(PASSPHRASE, MIN_PASSPHRASE_ITERATIONS, &file);
    check_refused(opened, OpenError::Malformed("keyring iterations"));
    let mut endless = file;
    endless[5..9].copy_from_slice(&(MAX_ITERATIONS + 1).to_be_bytes());
    check_refused(open_keyring_with_passphrase(PASSPHRASE, FEW, &endless), OpenError::Malformed("keyring"));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let file = seal_keyring_with_key_file(&key_file(), &entries());
    for bit in 0..file.len() * 8 {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let error = open_keyring_with_key_file(&key_file(), &bad).err().unwrap();
        match bit / 8 {
            0..5 => assert!(matches!(error, OpenError::Malformed(_)), "bit {bit}"),
            5..9 => assert!(matches!(error, OpenError::Malformed(_) | OpenError::WrongKey), "bit {bit}"),
            9..SEALED_AT => assert_eq!(error, OpenError::WrongKey, "bit {bit}"),
            _ => assert_eq!(error, OpenError::Tampered("keyring"), "bit {bit}"),
        }
    }
}

#[test]
fn cut_files_are_refused() {
    let file = seal_keyring_with_key_file(&key_file(), &entries());
    for len in 0..file.len() {
        assert!(open_keyring_with_key_file(&key_file(), &file[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn entries_that_are_none_are_malformed() {
    let whole = encode(&entries());
    let mut unknown_state = whole.clone();
    unknown_state[20] = 3;
    let mut destroyed_with_key = whole.clone();
    destroyed_with_key[60] = 1;
    for wrong in [&whole[..60], &unknown_state, &destroyed_with_key] {
        check_refused(decode(wrong), OpenError::Malformed("keyring entries"));
    }
}
