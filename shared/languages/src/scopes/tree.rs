//! The tree of a program's scopes, with the names that each defines.

use super::names::Set;

/// A scope.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) parent: usize,
    /// Whether functions in it do not see its names: the body of a class in Python.
    pub(super) is_class: bool,
    pub(super) bound: Set,
}

/// The scope of the whole program.
pub(super) const PROGRAM: usize = 0;

/// The scopes of a program, its definitions, and its uses of watched names.
#[derive(Debug)]
pub(super) struct Scopes {
    pub(super) scopes: Vec<Scope>,
    pub(super) uses: Vec<(usize, Set, usize)>,
    /// Assignments that declare nothing, with the scope that they are in.
    pub(super) assigned: Vec<(usize, Set)>,
}

impl Scopes {
    pub(super) fn new() -> Self {
        Self {
            scopes: vec![Scope {
                parent: PROGRAM,
                is_class: false,
                bound: Set::default(),
            }],
            uses: Vec::new(),
            assigned: Vec::new(),
        }
    }

    /// Adds a scope in an earlier one.
    pub(super) fn open(&mut self, parent: usize) -> usize {
        self.scopes.push(Scope {
            parent,
            is_class: false,
            bound: Set::default(),
        });
        self.scopes.len() - 1
    }

    /// Adds the scope of a class, whose functions do not see its names.
    pub(super) fn open_class(&mut self, parent: usize) -> usize {
        let scope = self.open(parent);
        self.scopes[scope].is_class = true;
        scope
    }

    pub(super) fn parent(&self, scope: usize) -> usize {
        self.scopes[scope].parent
    }

    pub(super) fn bind(&mut self, scope: usize, names: Set) {
        let bound = &mut self.scopes[scope].bound;
        *bound = bound.with(names);
    }

    /// Records an assignment: it defines a global name unless the name is declared around it.
    pub(super) fn assign(&mut self, scope: usize, names: Set) {
        self.assigned.push((scope, names));
    }

    pub(super) fn used(&mut self, token: usize, name: Set, scope: usize) {
        self.uses.push((token, name, scope));
    }

    /// Returns the names that are defined in each scope or around it.
    pub(super) fn visible(&self) -> Vec<Set> {
        // Names that scopes within see. A scope's parent is always before it.
        let mut within: Vec<Set> = Vec::with_capacity(self.scopes.len());
        let mut here = Vec::with_capacity(self.scopes.len());
        for scope in &self.scopes {
            let around = within.get(scope.parent).copied().unwrap_or_default();
            let all = around.with(scope.bound);
            here.push(all);
            within.push(if scope.is_class { around } else { all });
        }
        here
    }

    pub(super) fn own(mut self) -> Vec<usize> {
        if !self.assigned.is_empty() {
            let visible = self.visible();
            for (scope, names) in std::mem::take(&mut self.assigned) {
                self.bind(PROGRAM, names.without(visible[scope]));
            }
        }
        let visible = self.visible();
        self.uses
            .iter()
            .filter(|(_, name, scope)| visible[*scope].meets(*name))
            .map(|(token, ..)| *token)
            .collect()
    }
}
