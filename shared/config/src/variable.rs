//! One environment variable as the list of them describes it.

/// The width of comments in `.env.example` and in what `warren config` prints.
const COMMENT_WIDTH: usize = 100;

/// An environment variable: its name, its readers, its default and its meaning.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The name. A family of variables has a part in angle brackets: `WARREN_IMAGE_<LANGUAGE>`.
    pub name: &'static str,
    /// The programs that act on it.
    pub reader: Reader,
    /// The default.
    pub unset: Unset,
    /// The meaning, in one line of plain English without a full stop.
    pub meaning: &'static str,
    /// A usable value, where the default is none or would be a poor example; for a family, a whole
    /// assignment.
    pub example: Option<&'static str>,
    /// Whether a value may hold a password or a key, so that nothing ever prints it.
    pub secret: bool,
}

/// The programs that act on a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// `warren api`, and `warren up`.
    Api,
    /// `warren worker`, and `warren up`.
    Worker,
    /// API and worker.
    Both,
    /// `warren run` and the other commands that ask a server.
    Client,
    /// `docker-compose.yml`, and not the program.
    Compose,
    /// `make`, the scripts and the tests.
    Development,
}

/// The default of a variable. An empty variable counts as unset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// The value that an unset variable stands for.
    Value(&'static str),
    /// The effect of leaving the variable unset, where no value would have the same.
    Effect(&'static str),
    /// No default: the reader refuses to start.
    Required,
}

impl Variable {
    const fn new(reader: Reader, name: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            reader,
            unset: Unset::Effect("none"),
            meaning,
            example: None,
            secret: false,
        }
    }

    /// Creates a variable of the API.
    pub(crate) const fn api(name: &'static str, meaning: &'static str) -> Self {
        Self::new(Reader::Api, name, meaning)
    }

    /// Creates a variable of the worker.
    pub(crate) const fn worker(name: &'static str, meaning: &'static str) -> Self {
        Self::new(Reader::Worker, name, meaning)
    }

    /// Creates a variable of API and worker.
    pub(crate) const fn both(name: &'static str, meaning: &'static str) -> Self {
        Self::new(Reader::Both, name, meaning)
    }

    /// Creates a variable of the commands that ask a server.
    pub(crate) const fn client(name: &'static str, meaning: &'static str) -> Self {
        Self::new(Reader::Client, name, meaning)
    }

    /// Creates a variable of `docker-compose.yml`.
    pub(crate) const fn compose(name: &'static str, meaning: &'static str) -> Self {
        Self::new(Reader::Compose, name, meaning)
    }

    /// Creates a variable of `make`, the scripts and the tests.
    pub(crate) const fn development(name: &'static str, meaning: &'static str) -> Self {
        Self::new(Reader::Development, name, meaning)
    }

    /// Sets the default value.
    pub(crate) const fn default(mut self, value: &'static str) -> Self {
        self.unset = Unset::Value(value);
        self
    }

    /// Sets the effect of leaving it unset.
    pub(crate) const fn unset(mut self, effect: &'static str) -> Self {
        self.unset = Unset::Effect(effect);
        self
    }

    /// Makes it required: it has no default.
    pub(crate) const fn required(mut self) -> Self {
        self.unset = Unset::Required;
        self
    }

    /// Sets an example.
    pub(crate) const fn example(mut self, value: &'static str) -> Self {
        self.example = Some(value);
        self
    }

    /// Marks its value as secret, so that nothing prints it.
    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Returns whether this entry describes the variable of that name.
    #[must_use]
    pub fn describes(&self, name: &str) -> bool {
        match self.family() {
            None => self.name == name,
            Some(prefix) => name
                .strip_prefix(prefix)
                .is_some_and(|member| !member.is_empty()),
        }
    }

    /// Returns the common beginning of a family's names; `None` if this is a single variable.
    #[must_use]
    pub fn family(&self) -> Option<&'static str> {
        self.name.split_once('<').map(|(prefix, _)| prefix)
    }

    /// Returns whether a program of this role acts on it; `Both` stands for either role.
    #[must_use]
    pub fn is_read_by(&self, role: Reader) -> bool {
        self.reader == role
            || match role {
                Reader::Api | Reader::Worker => self.reader == Reader::Both,
                Reader::Both => matches!(self.reader, Reader::Api | Reader::Worker),
                Reader::Client | Reader::Compose | Reader::Development => false,
            }
    }

    /// Returns the meaning and the default, in one line.
    #[must_use]
    pub fn description(&self) -> String {
        let meaning = self.meaning;
        match self.unset {
            Unset::Value(value) => format!("{meaning} (default: {value})"),
            Unset::Effect(effect) => format!("{meaning} (unset: {effect})"),
            Unset::Required => format!("{meaning} (required)"),
        }
    }

    /// Returns the description as comment lines of a file `.env`, wrapped at 100 columns.
    #[must_use]
    pub fn comment(&self) -> String {
        let mut lines = vec!["#".to_owned()];
        for word in self.description().split(' ') {
            if let Some(line) = lines.last_mut()
                && line.chars().count() + 1 + word.chars().count() <= COMMENT_WIDTH
            {
                *line = format!("{line} {word}");
            } else {
                lines.push(format!("# {word}"));
            }
        }
        lines.join("\n")
    }

    /// Returns the assignment that `.env.example` shows: of the example, else of the default.
    #[must_use]
    pub fn assignment(&self) -> String {
        match (self.family(), self.example, self.unset) {
            (Some(_), Some(assignment), _) => assignment.to_owned(),
            (None, Some(value), _) | (_, None, Unset::Value(value)) => {
                format!("{}={value}", self.name)
            }
            (_, None, Unset::Effect(_) | Unset::Required) => format!("{}=", self.name),
        }
    }

    /// Returns the value as it may be printed: never a secret, nor an address that may hold one.
    #[must_use]
    pub fn printable(&self, value: &str) -> String {
        let may_hold_one = value.contains("://") && value.contains(['@', '?']);
        if self.secret || may_hold_one {
            "(set, not shown)".to_owned()
        } else {
            value.escape_debug().to_string()
        }
    }
}

/// A group of variables that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// Its variables, in the order in which documents show them.
    pub variables: &'static [Variable],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_describes_its_members_alone() {
        let family = Variable::worker("WARREN_IMAGE_<LANGUAGE>", "Base image");
        for (name, described) in [
            ("WARREN_IMAGE_PYTHON", true),
            ("WARREN_IMAGE_C__", true),
            ("WARREN_IMAGE_", false),
            ("WARREN_IMAGES", false),
        ] {
            assert_eq!(family.describes(name), described, "{name}");
        }
        let single = Variable::worker("WARREN_SLOTS", "Slots");
        assert!(single.describes("WARREN_SLOTS"));
        assert!(!single.describes("WARREN_SLOTS_2"));
    }

    #[test]
    fn a_comment_has_every_word_and_no_long_line() {
        let meaning = "word ".repeat(60) + "end";
        let variable = Variable::api("WARREN_WAIT_MS", meaning.leak()).default("5");
        let comment = variable.comment();
        assert!(comment.lines().count() > 1);
        for line in comment.lines() {
            assert!(
                line.starts_with("# ") && line.len() <= COMMENT_WIDTH,
                "{line}"
            );
        }
        let words = comment.replace("\n# ", " ");
        assert_eq!(words, format!("# {}", variable.description()));
    }

    #[test]
    fn no_secret_is_printed() {
        let secret = Variable::api("JUDGE0_API_KEY", "Key").secret();
        assert!(!secret.printable("hunter2").contains("hunter2"));
        let address = Variable::api("EXECUTOR_URL", "Address");
        for holding in ["http://u:hunter2@host", "http://host/?key=hunter2"] {
            assert!(!address.printable(holding).contains("hunter2"));
        }
        assert_eq!(
            address.printable("http://worker:5001"),
            "http://worker:5001"
        );
        assert_eq!(address.printable("a\u{1b}[1m"), "a\\u{1b}[1m");
    }

    #[test]
    fn a_role_reads_its_own_and_the_common_variables() {
        let both = Variable::both("RUST_LOG", "Filter");
        assert!(both.is_read_by(Reader::Api) && both.is_read_by(Reader::Worker));
        let api = Variable::api("WARREN_WAIT_MS", "Wait");
        assert!(api.is_read_by(Reader::Api) && api.is_read_by(Reader::Both));
        assert!(!api.is_read_by(Reader::Worker) && !api.is_read_by(Reader::Compose));
    }
}
