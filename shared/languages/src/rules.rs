//! Checks code against all rules of one language.

use std::collections::HashMap;

use super::lexer::lex;
use super::mask::mask;
use super::position::Positions;
use super::rule::{Forbids, Rule};
use super::scopes::{self, Watched};
use super::syntax::Syntax;
use super::uses::{self, Use};
use super::violation::Violation;

/// The most violations that are reported of one program. An author of more would not read them.
pub(super) const MAX_VIOLATIONS: usize = 50;

/// A language's rules, indexed by what they forbid.
#[derive(Debug)]
pub(super) struct Rules {
    syntax: Syntax,
    rules: Vec<Rule>,
    /// The indices of the rules that forbid modules; those of calls and members follow.
    modules: HashMap<String, usize>,
    calls: HashMap<String, usize>,
    members: HashMap<String, Vec<(String, usize)>>,
    /// The names that a program may define itself.
    watched: Watched,
}

impl Rules {
    /// Indexes rules, no two of which forbid the same.
    pub(super) fn new(syntax: Syntax, rules: Vec<Rule>) -> Self {
        let mut modules = HashMap::new();
        let mut calls = HashMap::new();
        let mut members: HashMap<String, Vec<(String, usize)>> = HashMap::new();
        for (i, rule) in rules.iter().enumerate() {
            match &rule.forbids {
                Forbids::Module(name) => _ = modules.insert(name.clone(), i),
                Forbids::Call(name) => _ = calls.insert(name.clone(), i),
                Forbids::Member { object, member } => members
                    .entry(object.clone())
                    .or_default()
                    .push((member.clone(), i)),
                Forbids::Pattern(_) => {}
            }
        }
        let names = rules.iter().filter_map(|rule| match &rule.forbids {
            Forbids::Call(name) => Some(&**name),
            Forbids::Member { object, .. } => Some(&**object),
            Forbids::Module(_) | Forbids::Pattern(_) => None,
        });
        let watched = Watched::new(uses::loaders(syntax).iter().copied().chain(names));
        Self {
            watched,
            syntax,
            rules,
            modules,
            calls,
            members,
        }
    }

    /// Returns the first [`MAX_VIOLATIONS`] violations in `code`, in order of position. Takes time
    /// linear in the code's length.
    pub(super) fn check(&self, code: &str) -> Vec<Violation> {
        let tokens = lex(self.syntax, code);
        let mut found: Vec<(usize, usize)> = Vec::new();
        let own = scopes::own(&self.watched, self.syntax, code, &tokens);
        uses::each(self.syntax, &tokens, &own, |offset, used| {
            found.extend(self.rule_on(&used).map(|rule| (offset, rule)));
        });
        let mut masked = None;
        for (i, rule) in self.rules.iter().enumerate() {
            if let Forbids::Pattern(regex) = &rule.forbids {
                let text = masked.get_or_insert_with(|| match self.syntax {
                    Syntax::None => code.to_owned(),
                    _ => mask(code, &tokens),
                });
                // Each search is linear. All of them together are too, because they are few.
                found.extend(
                    regex
                        .captures_iter(text)
                        .take(MAX_VIOLATIONS)
                        .filter_map(|captures| captures.get(1).or_else(|| captures.get(0)))
                        .map(|found| (found.start(), i)),
                );
            }
        }
        found.sort_unstable();
        found.dedup();
        let mut positions = Positions::new(code);
        found
            .into_iter()
            .take(MAX_VIOLATIONS)
            .filter_map(|(offset, i)| Some((positions.of(offset), self.rules.get(i)?)))
            .map(|((line, column), rule)| Violation {
                rule: rule.id.clone(),
                line,
                column,
                message: rule.message.clone(),
            })
            .collect()
    }

    /// Returns the index of the rule that forbids a use.
    fn rule_on(&self, used: &Use<'_>) -> Option<usize> {
        match *used {
            Use::Call(name) => self.calls.get(name).copied(),
            Use::Member(object, member) => self
                .members
                .get(object)?
                .iter()
                .find(|(name, _)| name == member)
                .map(|(_, rule)| *rule),
            Use::Module(name) => self.modules.get(self.syntax.module_root(name)).copied(),
        }
    }
}
