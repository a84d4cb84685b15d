//! Writes the seeds of every target to `../corpus/`: bytes from the golden vectors, and requests as clients send them.
//!
//! `cargo run -p coffer-fuzz-seeds`, in the folder above. Seeds have fixed names, so running it again changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

mod texts;

fn main() -> std::io::Result<()> {
    for (target, name, text) in texts::SEEDS {
        write(target, name, text.as_bytes())?;
    }
    for (folder, field, target) in [
        ("envelope", "envelope", "seal_envelope"),
        ("kms", "ciphertext", "seal_kms_ciphertext"),
        ("record", "record", "seal_record"),
        ("keyring", "keyring", "seal_keyring"),
    ] {
        for path in files(&vectors().join(folder))? {
            let bytes = bytes(&load(&path)?[field]);
            // A record stands behind two bytes that say what to change in it.
            let prefix: &[u8] = if folder == "record" { &[0, 0] } else { &[] };
            write(target, &stem(&path), &[prefix, &bytes].concat())?;
        }
    }
    for path in files(&vectors().join("keyring"))? {
        write("seal_keyring", &format!("entries_of_{}", stem(&path)), &entries(&load(&path)?))?;
    }
    for path in files(&vectors().join("object"))? {
        let object = &load(&path)?["object"];
        let name = stem(&path);
        for (label, field) in [("h", "head_box"), ("s", "sums_box")] {
            let sealed = bytes(&object[field]);
            if !sealed.is_empty() {
                write("seal_boxes", &format!("sealed_{label}_{name}"), &[b"?", &*sealed].concat())?;
            }
        }
        for envelope in list(&object["envelopes"]) {
            write("seal_envelope", &name, &bytes(envelope))?;
        }
    }
    for path in files(&vectors().join("../backup"))? {
        let (vector, name) = (load(&path)?, stem(&path));
        write("backup_read", &format!("file_{name}"), &[b"f", &*bytes(&vector["manifest"])].concat())?;
        if vector["expect"] == "opened" {
            backup(&name, &vector)?;
        }
    }
    let encodings = load(&vectors().join("encodings.json"))?;
    for (list_name, label) in [("head_plaintext", "h"), ("checksums", "s\x01")] {
        for (index, case) in list(&encodings[list_name]).iter().enumerate() {
            let plaintext = bytes(&case["out"]);
            write("seal_boxes", &format!("{list_name}_{index}"), &[label.as_bytes(), &plaintext].concat())?;
            if list_name == "checksums" {
                write("seal_checksums", &index.to_string(), &plaintext)?;
                let part = [b"p", &[7; 32][..], &100_u64.to_be_bytes(), &[1], &plaintext].concat();
                write("seal_boxes", &format!("part_{index}"), &part)?;
            }
        }
    }
    let lengths = load(&vectors().join("lengths.json"))?;
    for (index, case) in list(&lengths["lengths"]).iter().enumerate() {
        for field in ["plain_len", "sealed_len"] {
            let len = case[field].as_u64().unwrap_or_default().to_le_bytes();
            let layers = u8::from(case["layers"] == 2);
            write("seal_lengths", &format!("{field}_{index}"), &[&[layers], &len[..], &[0; 8], &len].concat())?;
        }
    }
    Ok(())
}

/// The entries of a keyring, as they are before they are sealed.
fn entries(keyring: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in list(&keyring["entries"]) {
        let number = |field: &str| entry[field].as_u64().unwrap_or_default();
        out.extend(bytes(&entry["id"]));
        out.extend(&number("generation").to_be_bytes()[4..]);
        out.push(number("state").to_be_bytes()[7]);
        out.extend(number("created").to_be_bytes());
        out.extend(bytes(&entry["key"]));
    }
    out
}

/// Rows and patches of a backup, and the body that it would have if they were one chunk.
fn backup(name: &str, vector: &Value) -> std::io::Result<()> {
    let field = |value: &Value| {
        let bytes = bytes(value);
        [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
    };
    let rows: Vec<_> =
        list(&vector["opened"]["rows"]).iter().map(|row| [field(&row[0]), field(&row[1])].concat()).collect();
    let patch = list(&vector["opened"]["rows"]).iter().step_by(7).map(|row| [field(&row[0]), vec![0xff; 4]].concat());
    let (text, patch) = (rows.concat(), patch.collect::<Vec<_>>().concat());
    write("backup_read", &format!("rows_{name}"), &[b"r", &*text].concat())?;
    let len = (text.len() as u16).to_be_bytes();
    write("backup_read", &format!("patch_{name}"), &[b"p", &len[..], &text, &patch].concat())?;
    let (id, key) = ([&[0x50][..], &[1; 16]].concat(), [&[0x58, 0x20][..], &[2; 32]].concat());
    let number = |number: usize| [&[0x1b][..], &(number as u64).to_be_bytes()].concat();
    let file = [&[0][..], &id, &[1], &key, &[2], &number(text.len() + 1)].concat();
    let patch = [&[0xa5][..], &file, &[3], &number(0), &[4], &number(1)].concat();
    let chunk = [&[0xa7][..], &file, &[3], &number(rows.len()), &[4], &key, &[5], &number(7), &[6], &patch].concat();
    let rows = [&[4][..], &number(rows.len()), &[5, 0x81], &chunk].concat();
    let body = [&[0xa6, 0][..], &id, &[1, 1, 2, 2, 3], &key, &rows].concat();
    write("backup_read", &format!("body_{name}"), &[b"m", &*body].concat())
}

fn write(target: &str, name: &str, seed: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), seed)
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/seal")
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn load(path: &Path) -> std::io::Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The bytes of a hexadecimal string; none of what is no such string.
fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_default()).unwrap_or_default()
}
