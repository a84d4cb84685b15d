//! What people type that nobody else may see.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The longest line that is taken, in bytes.
const MAX_LEN: usize = 4096;

/// Whether there is somebody to ask.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks on stderr, and reads a line from the terminal at stdin, without its end and without showing it.
///
/// # Errors
/// [`ErrorKind::Interrupted`] when the person gives up by Ctrl-C or Ctrl-D; whatever the terminal says.
pub(crate) fn read_hidden(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut errors = io::stderr().lock();
    errors.write_all(question.as_bytes())?;
    errors.flush()?;
    let line = {
        let _hidden = Hidden::begin()?;
        read_line(|| {
            let mut byte = [0];
            match rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut byte))? {
                0 => Ok(None),
                _ => Ok(Some(byte[0])),
            }
        })
    };
    errors.write_all(b"\n")?;
    line
}

/// A line from a terminal that leaves everything to its reader. The bytes go nowhere else.
fn read_line(mut next: impl FnMut() -> io::Result<Option<u8>>) -> io::Result<Zeroizing<Vec<u8>>> {
    // Never grown: that would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    loop {
        match next()? {
            Some(b'\n' | b'\r') => return Ok(line),
            None | Some(CTRL_C | CTRL_D) => return Err(ErrorKind::Interrupted.into()),
            Some(CTRL_U) => line.clear(),
            Some(BACKSPACE | DELETE) => {
                // A character may have several bytes.
                while line.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
            }
            Some(_) if line.len() == MAX_LEN => return Err(ErrorKind::InvalidInput.into()),
            Some(byte) => line.push(byte),
        }
    }
}

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7F;

/// The terminal shows nothing and interprets nothing, so that no signal leaves it like that, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Result<Vec<u8>, ErrorKind> {
        let mut keys = keys.iter().copied();
        read_line(|| Ok(keys.next())).map(|line| line.to_vec()).map_err(|error| error.kind())
    }

    #[test]
    fn a_line_ends_with_enter_and_can_be_corrected() {
        assert_eq!(typed(b"secret\nmore").unwrap(), b"secret");
        assert_eq!(typed(b"secret\r").unwrap(), b"secret");
        assert_eq!(typed(b"seek\x7f\x7fcret\n").unwrap(), b"secret");
        assert_eq!(typed(b"wrong\x15secret\n").unwrap(), b"secret");
        assert_eq!(typed(b"\x7f\x08a\n").unwrap(), b"a");
        assert_eq!(typed("grü\x7fün\n".as_bytes()).unwrap(), "grün".as_bytes());
    }

    #[test]
    fn whoever_gives_up_has_typed_nothing() {
        for keys in [&b""[..], b"cut", b"secret\x03", b"secret\x04\n"] {
            assert_eq!(typed(keys).unwrap_err(), ErrorKind::Interrupted);
        }
        assert_eq!(typed(&[b'x'; MAX_LEN + 1]).unwrap_err(), ErrorKind::InvalidInput);
    }
}
