//! SoftHSM for tests: tokens in a folder of their own, for a process of its own.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pkcs11::Pkcs11Settings;
use crate::provider::Provider;
use crate::secret_file::SecretFile;

/// Where Debian and others put the library.
const PLACES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];
/// Names the folder of the tokens to the process of a test.
const FOLDER: &str = "COFFER_TEST_TOKENS";
/// What names the file of settings to SoftHSM.
const SETTINGS: &str = "SOFTHSM2_CONF";
pub(super) const PIN: &str = "canary-1234";
const SO_PIN: &str = "officer-1234";

/// SoftHSM with its tokens.
pub(super) struct SoftHsm {
    folder: PathBuf,
}

pub(super) fn library() -> PathBuf {
    let found = PLACES.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("SoftHSM is missing: `apt-get install softhsm2 opensc`, or run `cargo xtask test`, which does")
}

impl SoftHsm {
    /// The tokens of this process. SoftHSM learns from the environment where they are, which a process cannot change for
    /// itself: so a test that gets `None` has been run as a process of its own, and has passed there.
    pub(super) fn of_process(test: &str) -> Option<Self> {
        if let Some(folder) = env::var_os(FOLDER) {
            return Some(Self { folder: folder.into() });
        }
        library();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tokens")).unwrap();
        let settings = folder.path().join("softhsm2.conf");
        let tokens = folder.path().join("tokens");
        fs::write(&settings, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--exact", &format!("pkcs11::softhsm_tests::{test}"), "--nocapture"]);
        let done = again.env(FOLDER, folder.path()).env(SETTINGS, settings).output().unwrap();
        let said = [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
        None
    }

    /// Makes a token.
    pub(super) fn token(&self, label: &str) {
        self.run("softhsm2-util", &["--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN]);
    }

    /// Makes a key as an operator does.
    pub(super) fn key(&self, token: &str, label: &str, id: &str, more: &[&str]) {
        let key = ["--keygen", "--key-type", "AES:32", "--sensitive", "--label", label, "--id", id];
        self.tool(token, &[&key[..], more].concat());
    }

    /// Runs OpenSC's tool as the user of a token.
    pub(super) fn tool(&self, token: &str, arguments: &[&str]) -> String {
        let library = library();
        let login = ["--module", library.to_str().unwrap(), "--token-label", token, "--login", "--pin", PIN];
        self.run("pkcs11-tool", &[&login[..], arguments].concat())
    }

    /// Has the security officer set the PIN of the user.
    pub(super) fn set_pin(&self, token: &str, pin: &str) {
        let library = library();
        self.run(
            "pkcs11-tool",
            &[
                "--module",
                library.to_str().unwrap(),
                "--token-label",
                token,
                "--login",
                "--login-type",
                "so",
                "--so-pin",
                SO_PIN,
                "--init-pin",
                "--pin",
                pin,
            ],
        );
    }

    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let done = Command::new(program).args(arguments).output();
        let done = done.unwrap_or_else(|error| panic!("{program}: {error}: `apt-get install softhsm2 opensc`"));
        let said = [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(done.status.success(), "{program} {arguments:?}: {said}");
        said
    }

    /// The folder of the only token.
    pub(super) fn folder_of_token(&self) -> PathBuf {
        let mut all = fs::read_dir(self.folder.join("tokens")).unwrap().map(|entry| entry.unwrap().path());
        let one = all.next().unwrap();
        assert!(all.next().is_none());
        one
    }

    /// A file with the PIN in it.
    pub(super) fn pin_file(&self, pin: &str) -> PathBuf {
        let path = self.folder.join("pin");
        fs::write(&path, format!("{pin}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Settings for the key `root` of a token.
    pub(super) fn settings(&self, token: &str) -> Pkcs11Settings {
        Pkcs11Settings {
            module: library(),
            token_label: Some(token.to_owned()),
            token_serial: None,
            key: "root".to_owned(),
            pin_file: SecretFile::new(&self.pin_file(PIN)),
            create: false,
        }
    }

    pub(super) fn provider(&self, token: &str) -> Box<dyn Provider> {
        self.settings(token).provider().unwrap()
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }
}
