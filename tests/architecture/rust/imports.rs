//! The imports between a crate's files, as far as a scan can tell.

use std::collections::BTreeMap;

use super::modules::{ModulePath, Modules};
use super::tokens::{Token, is_word};

/// Re-exports that lead to re-exports end here, so that a circle of them ends too.
const MOST_STEPS: usize = 16;

/// The first segment of a path into another crate.
const EXTERNAL: &str = "<external>";

/// From each module to those it imports from, each with a path as it is written there.
pub type Imports = BTreeMap<ModulePath, BTreeMap<ModulePath, String>>;

/// A path in the source, made absolute.
struct Mention {
    path: ModulePath,
    /// Its local name in the module, for a path in a `use`.
    local: Option<String>,
    /// Whether it is re-exported with `pub use`.
    passed_on: bool,
}

/// Reads which module imports from which. A re-exported name counts as an import from the module
/// that defines it, so that a façade makes no circle.
pub fn imports(modules: &Modules) -> Imports {
    let mentions: BTreeMap<_, _> = modules
        .0
        .iter()
        .map(|(module, files)| {
            let read = files.iter().flat_map(|file| read(module, &file.tokens));
            (module.clone(), read.collect::<Vec<_>>())
        })
        .collect();
    let names: BTreeMap<_, BTreeMap<_, _>> = mentions
        .iter()
        .map(|(module, mentions)| (module.clone(), local_names(mentions)))
        .collect();

    let mut imports = Imports::new();
    for (module, mentions) in &mentions {
        let found = imports.entry(module.clone()).or_default();
        for mention in mentions {
            let passed_on = mention.passed_on && !is_used(modules, module, mention);
            let Some(target) = resolve(modules, &names, mention, MOST_STEPS) else {
                continue;
            };
            if !passed_on && target != *module {
                found
                    .entry(target)
                    .or_insert_with(|| mention.path.join("::"));
            }
        }
    }
    imports
}

fn local_names(mentions: &[Mention]) -> BTreeMap<String, ModulePath> {
    mentions
        .iter()
        .filter_map(|mention| Some((mention.local.clone()?, mention.path.clone())))
        .collect()
}

/// Returns true if a module also uses the name that it re-exports.
fn is_used(modules: &Modules, module: &ModulePath, mention: &Mention) -> bool {
    let Some(name) = &mention.local else {
        return true;
    };
    let tokens = modules.0[module].iter().flat_map(|file| &file.tokens);
    let tokens: Vec<_> = tokens.collect();
    let mut in_use = false;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "use" => in_use = true,
            ";" => in_use = false,
            _ => {}
        }
        let before = at.checked_sub(1).map(|before| tokens[before].as_str());
        if *token == name && !in_use && !matches!(before, Some("::" | ".")) {
            return true;
        }
    }
    false
}

/// Returns the module that defines what `mention` names; `None` for other crates' items, and for a
/// module that is named as such, because the paths to its items are read too.
fn resolve(
    modules: &Modules,
    names: &BTreeMap<ModulePath, BTreeMap<String, ModulePath>>,
    mention: &Mention,
    steps: usize,
) -> Option<ModulePath> {
    let mut at = ModulePath::new();
    let mut rest = mention.path.iter();
    while let Some(segment) = rest.next() {
        let below = [at.clone(), vec![segment.clone()]].concat();
        if modules.contains(&below) {
            at = below;
        } else if let Some(elsewhere) = names.get(&at).and_then(|names| names.get(segment)) {
            let path = [elsewhere.clone(), rest.cloned().collect()].concat();
            let steps = steps.checked_sub(1)?;
            let mention = Mention {
                path,
                local: None,
                passed_on: false,
            };
            return resolve(modules, names, &mention, steps);
        } else if segment == EXTERNAL {
            return None;
        } else {
            return Some(at);
        }
    }
    None
}

/// Reads every path in `tokens` that begins with `crate`, `self` or `super`, or with a name that
/// the module declares as a child or has imported, and every path in a `use`.
fn read(module: &ModulePath, tokens: &[Token]) -> Vec<Mention> {
    let children = children(tokens);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" && tokens.get(at + 1).is_some_and(|next| is_path_start(next)) {
            let passed_on = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
            let end = tokens[at..].iter().position(|token| token == ";");
            let end = end.map_or(tokens.len(), |length| at + length);
            let reader = Reader {
                module,
                children: &children,
                passed_on,
            };
            reader.tree(&tokens[at + 1..end], &[], &mut found);
            at = end;
        } else {
            at += 1;
        }
    }
    let imported = local_names(&found);
    in_code(module, tokens, &children, &imported, &mut found);
    found
}

fn is_path_start(token: &str) -> bool {
    is_word(token) || token == "::" || token == "{"
}

/// Returns the modules that a file declares.
fn children(tokens: &[Token]) -> Vec<String> {
    tokens
        .windows(3)
        .filter(|window| window[0] == "mod" && window[2] == ";")
        .map(|window| window[1].clone())
        .collect()
}

/// Reads the paths outside of `use`.
fn in_code(
    module: &ModulePath,
    tokens: &[Token],
    children: &[String],
    imported: &BTreeMap<String, ModulePath>,
    found: &mut Vec<Mention>,
) {
    let mut in_use = false;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "use" => in_use = true,
            ";" => in_use = false,
            _ => {}
        }
        let begins = !in_use
            && is_word(&tokens[at])
            && tokens.get(at + 1).is_some_and(|next| next == "::")
            && !(at > 0 && matches!(tokens[at - 1].as_str(), "::" | "." | "$"));
        if !begins {
            at += 1;
            continue;
        }
        let mut segments = vec![tokens[at].clone()];
        at += 1;
        while let [colons, segment, ..] = &tokens[at..]
            && colons == "::"
            && is_word(segment)
        {
            segments.push(segment.clone());
            at += 2;
        }
        let first = &segments[0];
        let path = match imported.get(first) {
            Some(path) => [path.as_slice(), &segments[1..]].concat(),
            None => absolute(module, children, &segments),
        };
        found.push(Mention {
            path,
            local: None,
            passed_on: false,
        });
    }
}

/// Returns the path from the crate's root, or one that begins with [`EXTERNAL`].
fn absolute(module: &ModulePath, children: &[String], segments: &[String]) -> ModulePath {
    let mut base = module.clone();
    let mut rest = segments;
    match rest.first().map(String::as_str) {
        Some("crate") => (base, rest) = (ModulePath::new(), &rest[1..]),
        Some("self" | "super") => {
            while let Some((first, behind)) = rest.split_first()
                && (first == "self" || first == "super")
            {
                if first == "super" {
                    base.pop();
                }
                rest = behind;
            }
        }
        Some(first) if children.iter().any(|child| child == first) => {}
        _ => base = vec![EXTERNAL.to_owned()],
    }
    [base.as_slice(), rest].concat()
}

/// Reads the tree of one `use`.
struct Reader<'a> {
    module: &'a ModulePath,
    children: &'a [String],
    passed_on: bool,
}

impl Reader<'_> {
    fn tree(&self, tokens: &[Token], before: &[String], found: &mut Vec<Mention>) {
        let mut segments = before.to_vec();
        let mut local = None;
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" => {
                    let end = super::tokens::closing(tokens, at) - 1;
                    for branch in branches(&tokens[at + 1..end]) {
                        self.tree(branch, &segments, found);
                    }
                    return;
                }
                "as" => {
                    local = tokens.get(at + 1).cloned();
                    break;
                }
                // In `a::{self}` the module itself is meant.
                "self" if !segments.is_empty() => {}
                word if is_word(word) => segments.push(word.to_owned()),
                "*" => segments.push("*".to_owned()),
                _ => {}
            }
            at += 1;
        }
        let local = local.or_else(|| segments.last().cloned());
        found.push(Mention {
            path: absolute(self.module, self.children, &segments),
            local,
            passed_on: self.passed_on,
        });
    }
}

/// Splits a group at its own commas.
fn branches(group: &[Token]) -> Vec<&[Token]> {
    let mut found = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (at, token) in group.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 0 => {
                found.push(&group[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&group[from..]);
    found.retain(|branch| !branch.is_empty());
    found
}
