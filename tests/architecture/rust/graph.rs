//! A graph of imports, and its circles.

use std::collections::{BTreeMap, BTreeSet};

/// From each name to those it imports from, each with a path as it is written there.
#[derive(Default)]
pub struct Graph(pub BTreeMap<String, BTreeMap<String, String>>);

impl Graph {
    /// Adds a name that may import nothing.
    pub fn add_node(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_default();
    }

    /// Adds an import; the first path seen is kept as its example. An import from itself does not
    /// count.
    pub fn add(&mut self, from: &str, to: &str, path: &str) {
        if from != to {
            let imports = self.0.entry(from.to_owned()).or_default();
            imports
                .entry(to.to_owned())
                .or_insert_with(|| path.to_owned());
            self.add_node(to);
        }
    }

    /// Returns the sets of names that all reach one another, each with the imports within it.
    pub fn circles(&self) -> Vec<String> {
        let reached: BTreeMap<_, _> = self.0.keys().map(|name| (name, self.from(name))).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for (name, reaches) in &reached {
            let circle: BTreeSet<_> = reaches
                .iter()
                .filter(|other| reached[other].contains(*name))
                .collect();
            if !circle.is_empty() && seen.insert(circle.clone()) {
                circles.push(self.describe(&circle));
            }
        }
        circles
    }

    /// Returns every name that `start` reaches, itself only if there is a way back.
    fn from(&self, start: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(name) = open.pop() {
            for next in self.0.get(name).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        reached
    }

    fn describe(&self, circle: &BTreeSet<&String>) -> String {
        let within = circle.iter().flat_map(|from| {
            let imports = self.0[*from].iter();
            imports
                .filter(|(to, _)| circle.contains(to))
                .map(move |(to, path)| format!("{from} imports {path} from {to}"))
        });
        within.collect::<Vec<_>>().join("; ")
    }
}

#[test]
fn a_circle_is_found_and_what_leads_to_it_is_not_part_of_it() {
    let mut graph = Graph::default();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "e")] {
        graph.add(from, to, &format!("crate::{to}"));
        graph.add(to, to, "itself");
    }
    assert_eq!(
        graph.circles(),
        ["b imports crate::c from c; c imports crate::b from b"]
    );
}
