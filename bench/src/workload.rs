//! The jobs that every system runs.

use serde::Serialize;

/// The number of cases of the job with test cases.
const CASES: u32 = 10;

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A program that prints a word.
    Hello,
    /// A program that needs a good 100 ms of CPU time.
    Cpu,
    /// Ten runs of one program, each on an input of its own.
    TenCases,
}

impl Kind {
    /// Returns its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Cpu => "CPU-bound",
            Self::TenCases => "ten cases",
        }
    }

    /// Returns the number of rounds it takes part in: the longer it takes, the fewer.
    pub fn rounds(self, of: u32) -> u32 {
        let part = match self {
            Self::Hello => 1,
            Self::Cpu => 4,
            Self::TenCases => 10,
        };
        (of / part).max(1)
    }

    /// Returns true if it takes part in this round, counted from 0. Its rounds are evenly spread.
    pub fn takes_part(self, round: u32, of: u32) -> bool {
        let (round, of, times) = (u64::from(round), u64::from(of), u64::from(self.rounds(of)));
        round * times / of != (round + 1) * times / of
    }
}

/// One job.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The kind of job.
    pub kind: Kind,
    /// The language's name.
    pub language: &'static str,
    /// The program.
    pub code: &'static str,
    /// The runs of the program.
    pub runs: Vec<Run>,
}

/// One run of a program.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its standard input.
    pub input: String,
    /// The output it must print.
    pub expected: String,
}

impl Workload {
    /// Returns all jobs.
    pub fn all() -> Vec<Self> {
        let python = [
            include_str!("programs/hello.py"),
            include_str!("programs/cpu.py"),
            include_str!("programs/double.py"),
        ];
        let javascript = [
            include_str!("programs/hello.js"),
            include_str!("programs/cpu.js"),
            include_str!("programs/double.js"),
        ];
        let mut all = Vec::new();
        for (language, [hello, cpu, double], sum) in [
            ("python", python, "235197\n"),
            ("javascript", javascript, "936082\n"),
        ] {
            let job = |kind, code, runs| Self {
                kind,
                language,
                code,
                runs,
            };
            all.push(job(Kind::Hello, hello, vec![Run::printing("hello\n")]));
            all.push(job(Kind::Cpu, cpu, vec![Run::printing(sum)]));
            let cases = (1..=CASES).map(|number| Run {
                input: format!("{number}\n"),
                expected: format!("{}\n", number * 2),
            });
            all.push(job(Kind::TenCases, double, cases.collect()));
        }
        all
    }
}

impl Run {
    fn printing(expected: &str) -> Self {
        Self {
            input: String::new(),
            expected: expected.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use warren_languages::Languages;

    use super::*;

    #[test]
    fn every_program_is_allowed() {
        let languages = Languages::embedded();
        for workload in Workload::all() {
            let language = languages.get(workload.language).unwrap();
            assert!(language.check(workload.code).is_empty(), "{workload:?}");
        }
    }

    #[test]
    fn each_kind_takes_part_in_its_number_of_rounds() {
        for kind in [Kind::Hello, Kind::Cpu, Kind::TenCases] {
            for of in [1, 2, 5, 39, 100] {
                let times = (0..of).filter(|round| kind.takes_part(*round, of)).count();
                assert_eq!(times, kind.rounds(of) as usize, "{kind:?} of {of}");
            }
        }
    }
}
