//! How many tests passed and failed, read from what the test runners print.

use std::fmt;
use std::ops::AddAssign;

/// Tests by outcome. It prints as `3 passed, 0 failed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed, or could not run.
    pub(crate) failed: u64,
}

impl Counts {
    /// Reads a line of cargo's: `test result: ok. 3 passed; 0 failed; ...`.
    pub(crate) fn of_cargo_line(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?;
        Some(Self::of_words(counts))
    }

    /// Reads pytest's last line: `==== 1 failed, 3 passed, 2 skipped in 4.56s ====`.
    pub(crate) fn of_pytest_line(line: &str) -> Option<Self> {
        let line = line.trim_matches(|c| c == '=' || c == ' ');
        let (counts, seconds) = line.rsplit_once(" in ")?;
        let is_last = seconds.starts_with(|c: char| c.is_ascii_digit());
        let counts = Self::of_words(counts);
        (is_last && counts != Self::default()).then_some(counts)
    }

    /// Takes every number with the word behind it.
    fn of_words(text: &str) -> Self {
        let words: Vec<&str> =
            text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let mut counts = Self::default();
        for pair in words.windows(2) {
            let (Ok(number), word) = (pair[0].parse::<u64>(), pair[1]) else { continue };
            match word {
                "passed" => counts.passed += number,
                "failed" | "error" | "errors" => counts.failed += number,
                _ => {}
            }
        }
        counts
    }

    /// A runner that failed without naming a failed test counts as one.
    pub(crate) fn with_exit(mut self, success: bool) -> Self {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64) -> Option<Counts> {
        Some(Counts { passed, failed })
    }

    #[test]
    fn cargos_line_is_read() {
        let line = "test result: ok. 63 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.17s";
        assert_eq!(Counts::of_cargo_line(line), counts(63, 0));
        let line =
            "test result: FAILED. 62 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 30.07s";
        assert_eq!(Counts::of_cargo_line(line), counts(62, 2));
        assert_eq!(Counts::of_cargo_line("test a::b ... ok"), None);
    }

    #[test]
    fn pytests_line_is_read() {
        for (line, expected) in [
            ("======= 3 passed in 4.56s =======", counts(3, 0)),
            ("= 1 failed, 3 passed, 2 skipped, 1 warning in 64.10s (0:01:04) =", counts(3, 1)),
            ("== 2 failed, 1 passed, 3 errors in 1.00s ==", counts(1, 5)),
            ("== 1 error in 0.05s ==", counts(0, 1)),
            ("5 passed in 1.2s", counts(5, 0)),
            ("FAILED test_put.py::test_it - 1 failed in the middle", None),
            ("=== short test summary info ===", None),
        ] {
            assert_eq!(Counts::of_pytest_line(line), expected, "{line}");
        }
    }

    #[test]
    fn a_runner_that_fails_silently_is_a_failure() {
        assert_eq!(Counts::default().with_exit(false).to_string(), "0 passed, 1 failed");
        assert_eq!(Counts { passed: 2, failed: 3 }.with_exit(false).failed, 3);
        assert_eq!(Counts { passed: 2, failed: 0 }.with_exit(true).failed, 0);
    }
}
