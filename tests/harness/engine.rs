//! The engine that a test's worker makes its sandboxes with.

use std::collections::BTreeMap;

use super::warren::Warren;
use super::{docker, images, native, rootfs};

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Docker,
    Native,
}

/// The variable that chooses the engine of tests that are written for either.
const VARIABLE: &str = "WARREN_TEST_ENGINE";

impl Engine {
    /// Returns the engine of tests that are written for either.
    pub fn of_tests() -> Self {
        match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "docker") => Self::Docker,
            Ok("native") => Self::Native,
            Ok(other) => panic!("{VARIABLE} is {other}, which is neither docker nor native"),
        }
    }

    /// Returns the variables by which a worker uses it, and the images or roots of the tests.
    pub fn variables(self) -> BTreeMap<String, String> {
        let mut variables = images::variables();
        if self == Self::Native {
            variables.extend(rootfs::variables());
            variables.insert("WARREN_ENGINE".to_owned(), "native".to_owned());
            let of_process = std::env::vars();
            variables.extend(of_process.filter(|(name, _)| name.starts_with("WARREN_NATIVE_")));
        }
        variables
    }

    /// Returns whether every program of a corpus is run on both engines, as `make soak-corpora` has it.
    pub fn is_soak() -> bool {
        std::env::var_os("WARREN_SOAK_CORPORA").is_some()
    }

    /// Returns those of a corpus's programs that are run on it: in `make test` every second one, and on the
    /// other engine the rest.
    pub fn share<T>(self, programs: Vec<T>) -> Vec<T> {
        if Self::is_soak() {
            return programs;
        }
        let programs = programs.into_iter().enumerate();
        let own = programs.filter(|(number, _)| number % 2 == self as usize);
        own.map(|(_, program)| program).collect()
    }

    /// Waits until nothing is left of this worker's sandboxes, which has ended.
    pub async fn until_none_of(self, instance: &str) {
        match self {
            Self::Docker => docker::until_none_of(instance).await,
            Self::Native => native::until_none_is_left().await,
        }
    }

    /// Returns the marks of all sandboxes of a worker: an id of Docker's, or the number of PID 1 on
    /// this machine.
    pub async fn sandboxes_of(self, warren: &Warren) -> Vec<String> {
        match self {
            Self::Docker => docker::ids_of(&warren.instance())
                .await
                .into_iter()
                .collect(),
            Self::Native => {
                let inits = native::inits_of(warren.pid()).into_iter();
                inits.map(|init| init.to_string()).collect()
            }
        }
    }
}

/// Makes a test for each engine of each of these functions.
macro_rules! on_each_engine {
    ($($test:ident),+ $(,)?) => {
        mod with_docker {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test($crate::harness::engine::Engine::Docker).await;
                }
            )+
        }

        mod with_native {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test($crate::harness::engine::Engine::Native).await;
                }
            )+
        }
    };
}

pub(crate) use on_each_engine;
