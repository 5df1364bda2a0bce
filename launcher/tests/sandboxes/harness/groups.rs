//! A delegated control group for each test: none sweeps what another one has left.

use std::cell::OnceCell;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use super::host;

thread_local! {
    static BASE: OnceCell<Base> = const { OnceCell::new() };
}

/// The group of one test, which runs on a thread of its own.
struct Base(String);

/// Returns this test's group.
pub(crate) fn base() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let make = || {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Base(format!("/sandboxes-{}-{number}", std::process::id()))
    };
    BASE.with(|base| base.get_or_init(make).0.clone())
}

impl Drop for Base {
    fn drop(&mut self) {
        let mut left = host::groups(&self.0);
        // The deepest first.
        left.sort_by_key(|path| std::cmp::Reverse(path.len()));
        for path in left {
            // What a failed test has left has processes, perhaps.
            let _ = fs::remove_dir(path);
        }
    }
}
