//! Finds a program's uses: functions called, members touched, modules loaded.

use std::borrow::Cow;

use super::lexer::{Kind, Token};
use super::syntax::Syntax;

/// A use, by the names that the interpreter looks up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Use<'a> {
    /// A global function is called.
    Call(&'a str),
    /// A member of a global object is touched.
    Member(&'a str, &'a str),
    /// A module is loaded, by the name as written.
    Module(&'a str),
}

/// The most links of a path that any rule or loader inspects.
const MAX_LINKS: usize = 4;

/// A name and the members picked from it: `process.mainModule.require`, however it is written. A
/// leading global object is left out.
#[derive(Debug, Default)]
struct Path<'a> {
    links: Vec<Cow<'a, str>>,
    /// Whether the path has more links than are kept.
    longer: bool,
    /// The index of the first token after it.
    end: usize,
}

/// Reports every use in a program, with the offset at which it begins. `own` lists the tokens, in
/// ascending order, where a name is the program's own and so no use of what a rule means.
pub(super) fn each(
    syntax: Syntax,
    tokens: &[Token<'_>],
    own: &[usize],
    mut report: impl FnMut(usize, Use<'_>),
) {
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        let after_dot = i > 0 && is_link(&tokens[i - 1]);
        i = match token.kind {
            Kind::Name if after_dot => i + 1,
            Kind::Name => match syntax {
                Syntax::Python if token.is_name("import") => imported(tokens, i + 1, &mut report),
                Syntax::Python if token.is_name("from") => from(tokens, i + 1, &mut report),
                _ if own.binary_search(&i).is_ok() => i + 1,
                _ => path(syntax, tokens, i, &mut report),
            },
            Kind::Text if syntax == Syntax::Javascript => {
                let statement = i
                    .checked_sub(1)
                    .map(|before| &tokens[before])
                    .is_some_and(|before| before.is_name("from") || before.is_name("import"));
                if let Some(module) = statement.then(|| token.value()).flatten() {
                    report(token.start, Use::Module(&module));
                }
                i + 1
            }
            _ => i + 1,
        };
    }
}

/// Reports the uses of the path that begins at a name. Returns the index to continue at.
fn path(
    syntax: Syntax,
    tokens: &[Token<'_>],
    first: usize,
    report: &mut impl FnMut(usize, Use<'_>),
) -> usize {
    let path = Path::read(syntax, tokens, first);
    let start = tokens[first].start;
    let called = call(tokens, path.end);
    let mut links = [""; MAX_LINKS];
    for (to, link) in links.iter_mut().zip(&path.links) {
        *to = link;
    }
    let links = &links[..path.links.len()];
    let function = match links {
        [name] => Some(name),
        [name, "call" | "apply" | "bind"] if syntax == Syntax::Javascript => Some(name),
        _ => None,
    };
    if let Some(name) = function.filter(|_| called.is_some() && !path.longer) {
        report(start, Use::Call(name));
    }
    if let [object, member, ..] = links {
        report(start, Use::Member(object, member));
    }
    let module = called
        .filter(|_| !path.longer && loads(syntax, links))
        .and_then(|open| argument(tokens, open + 1));
    if let Some(module) = module {
        report(start, Use::Module(&module));
    }
    path.end
}

impl<'a> Path<'a> {
    fn read(syntax: Syntax, tokens: &'a [Token<'_>], first: usize) -> Self {
        let mut path = Self {
            end: first + 1,
            ..Self::default()
        };
        path.push(syntax, Cow::Borrowed(&*tokens[first].text));
        loop {
            // `(0, eval)` is `eval`.
            while tokens
                .get(path.end)
                .is_some_and(|t| t.kind == Kind::GroupEnd)
            {
                path.end += 1;
            }
            let Some((link, end)) = member(tokens, path.end) else {
                return path;
            };
            path.push(syntax, link);
            path.end = end;
        }
    }

    fn push(&mut self, syntax: Syntax, link: Cow<'a, str>) {
        if let [only] = &self.links[..]
            && syntax.is_global(only)
        {
            self.links.clear();
        }
        if self.links.len() < MAX_LINKS {
            self.links.push(link);
        } else {
            self.longer = true;
        }
    }
}

/// Reads the member picked at a token (`.a`, `?.a`, `["a"]`, `?.["a"]`), and where that ends.
fn member<'a>(tokens: &'a [Token<'_>], at: usize) -> Option<(Cow<'a, str>, usize)> {
    let link = tokens.get(at)?;
    if is_link(link) {
        let next = tokens.get(at + 1)?;
        if next.kind == Kind::Name {
            return Some((Cow::Borrowed(&*next.text), at + 2));
        }
    }
    let open = if link.is_punct("?.") { at + 1 } else { at };
    let [bracket, key, end] = tokens.get(open..open + 3)? else {
        return None;
    };
    (bracket.is_punct("[") && end.is_punct("]"))
        .then(|| key.value())
        .flatten()
        .map(|key| (key, open + 3))
}

/// Finds the token that opens the call at a token: `(`, `?.(` or a template literal.
fn call(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let token = tokens.get(at)?;
    let open = if token.is_punct("?.") { at + 1 } else { at };
    let calls = tokens.get(open)?.is_punct("(") || token.opens_template();
    calls.then_some(open)
}

/// Reads the string that is the whole of a call's first argument, from behind its `(`.
fn argument<'a>(tokens: &'a [Token<'_>], mut at: usize) -> Option<Cow<'a, str>> {
    while tokens.get(at)?.is_punct("(") {
        at += 1;
    }
    let value = tokens[at].value()?;
    let next = tokens.get(at + 1)?;
    (next.is_punct(")") || next.is_punct(",")).then_some(value)
}

/// Reports the modules of Python's `import a.b as c, d`, from behind `import`. Returns the index to
/// continue at.
fn imported(tokens: &[Token<'_>], mut at: usize, report: &mut impl FnMut(usize, Use<'_>)) -> usize {
    loop {
        let Some((module, end)) = dotted(tokens, at) else {
            return at;
        };
        report(module.start, Use::Module(&module.text));
        at = end;
        if tokens.get(at).is_some_and(|t| t.is_name("as")) {
            at += 2;
        }
        if !tokens.get(at).is_some_and(|t| t.is_punct(",")) {
            return at;
        }
        at += 1;
    }
}

/// Reports the module of Python's `from a.b import c`, from behind `from`, and `c` as well, which may
/// be a module itself: `from shutil import os` is as good as `import os`. Returns the index to
/// continue at.
fn from(tokens: &[Token<'_>], first: usize, report: &mut impl FnMut(usize, Use<'_>)) -> usize {
    let mut at = first;
    while tokens
        .get(at)
        .is_some_and(|t| t.is_punct(".") || t.is_punct("..."))
    {
        at += 1;
    }
    let relative = at > first;
    let module = dotted(tokens, at);
    at = module.as_ref().map_or(at, |(_, end)| *end);
    if !tokens.get(at).is_some_and(|t| t.is_name("import")) {
        // `raise a from b`, `yield from c`.
        return first;
    }
    at += 1;
    if relative {
        return at;
    }
    if let Some((module, _)) = module {
        report(module.start, Use::Module(&module.text));
    }
    if tokens.get(at).is_some_and(|t| t.is_punct("(")) {
        at += 1;
    }
    imported(tokens, at, report)
}

/// Reads the first name of a dotted name, and where the dotted name ends.
fn dotted<'t, 'a>(tokens: &'t [Token<'a>], at: usize) -> Option<(&'t Token<'a>, usize)> {
    let first = tokens.get(at).filter(|t| t.kind == Kind::Name)?;
    let mut end = at + 1;
    while let Some([dot, name]) = tokens.get(end..end + 2)
        && dot.is_punct(".")
        && name.kind == Kind::Name
    {
        end += 2;
    }
    Some((first, end))
}

fn is_link(token: &Token<'_>) -> bool {
    token.is_punct(".") || token.is_punct("?.")
}

/// Returns the names that the loaders of modules begin with.
pub(super) fn loaders(syntax: Syntax) -> &'static [&'static str] {
    match syntax {
        Syntax::Javascript => &["require", "module", "process"],
        Syntax::Python => &["import_module", "importlib"],
        Syntax::None => &[],
    }
}

/// Returns true if calling that path loads the module that is its argument.
fn loads(syntax: Syntax, links: &[&str]) -> bool {
    match syntax {
        Syntax::Javascript => matches!(
            links,
            ["require" | "import"]
                | ["module", "require"]
                | ["require", "main", "require"]
                | ["process", "mainModule", "require"]
                | ["process", "getBuiltinModule"]
        ),
        Syntax::Python => matches!(
            links,
            ["import_module"] | ["importlib", "import_module" | "__import__"]
        ),
        Syntax::None => false,
    }
}
