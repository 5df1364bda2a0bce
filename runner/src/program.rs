//! A program that a new process can become: its file, its arguments and its variables.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, NulError, c_char};
use std::io;
use std::ptr;

/// The shell that runs a file which is executable and no program that the kernel knows, as the C
/// library's `execvp` has it.
const SHELL: &CStr = c"/bin/sh";

/// A program: where it may be found, its arguments and its variables.
pub(crate) struct Program {
    /// The files that it may be, in the order of the search path.
    files: Vec<CString>,
    args: Strings,
    environment: Strings,
    /// The arguments of the shell that runs it as a script. The second is its file.
    script: Vec<*const c_char>,
}

impl Program {
    /// Prepares a program, which is looked up in the `PATH` of its own environment.
    ///
    /// # Errors
    /// A text holds a NUL.
    pub(crate) fn new(
        args: &[String],
        environment: &BTreeMap<&str, &str>,
    ) -> Result<Self, NulError> {
        let name = args.first().map_or("", String::as_str);
        let directories = environment.get("PATH").copied().unwrap_or_default();
        let files = if name.contains('/') {
            vec![CString::new(name)?]
        } else {
            let files = directories.split(':');
            files
                .map(|directory| CString::new(in_directory(directory, name)))
                .collect::<Result<_, _>>()?
        };
        let args = Strings::new(args.iter().cloned())?;
        let rest = args.pointers.get(1..).unwrap_or_default();
        let script = [SHELL.as_ptr(), ptr::null()].into_iter();
        let script = script.chain(rest.iter().copied()).collect();
        let variables = environment.iter();
        let variables = variables.map(|(name, value)| format!("{name}={value}"));
        Ok(Self {
            files,
            environment: Strings::new(variables)?,
            script,
            args,
        })
    }

    /// Becomes the program. Returns only why it cannot, and allocates nothing.
    pub(crate) fn execute(&mut self) -> io::Error {
        let Self {
            files,
            args,
            environment,
            script,
        } = self;
        let mut error = io::Error::from_raw_os_error(libc::ENOENT);
        for file in files {
            let found = execute(file, &args.pointers, &environment.pointers);
            match found.raw_os_error() {
                Some(libc::ENOEXEC) => {
                    script[1] = file.as_ptr();
                    return execute(SHELL, script, &environment.pointers);
                }
                Some(libc::ENOENT | libc::ENOTDIR | libc::ENODEV | libc::ESTALE) => {}
                Some(libc::EACCES) => error = found,
                _ => return found,
            }
        }
        error
    }
}

/// Returns the path of a name in a directory of the search path. No directory is the current one.
fn in_directory(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

/// Executes a file; both lists end with a null pointer. Returns only why it cannot.
#[expect(
    unsafe_code,
    reason = "the texts are prepared, for a process that may not allocate"
)]
fn execute(file: &CStr, args: &[*const c_char], environment: &[*const c_char]) -> io::Error {
    // SAFETY: the lists end, and `Program` keeps the texts that they point to.
    unsafe { libc::execve(file.as_ptr(), args.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Texts as the kernel takes them.
struct Strings {
    /// They keep what the pointers point to.
    _texts: Vec<CString>,
    /// One to each text, and a null pointer.
    pointers: Vec<*const c_char>,
}

impl Strings {
    fn new(texts: impl Iterator<Item = String>) -> Result<Self, NulError> {
        let texts = texts.map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let pointers = texts.iter().map(|text| text.as_ptr());
        let pointers = pointers.chain([ptr::null()]).collect();
        Ok(Self {
            _texts: texts,
            pointers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_no_argument_and_no_variable() {
        let nothing = BTreeMap::new();
        let args = |arg: &str| [arg.to_owned()];
        assert!(Program::new(&args("a\0b"), &nothing).is_err());
        assert!(Program::new(&args("a"), &[("A", "\0")].into()).is_err());
        assert!(Program::new(&args("a"), &nothing).is_ok());
    }

    #[test]
    fn the_search_path_is_for_plain_names_and_an_empty_directory_is_the_current_one() {
        let files = |name: &str, path| {
            let program = Program::new(&[name.to_owned()], &[("PATH", path)].into()).unwrap();
            let files = program.files.into_iter();
            files
                .map(|file| file.into_string().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(files("x", "/a:/b"), ["/a/x", "/b/x"]);
        assert_eq!(files("x", "/a:"), ["/a/x", "x"]);
        assert_eq!(files("./x", "/a"), ["./x"]);
    }
}
