//! The layers of each crate's rooms: imports go down, never up, never in a circle.

use super::files::{self, File};
use super::rust::graph::Graph;
use super::rust::imports::imports;
use super::rust::modules::Modules;

/// The layers of one crate, from the top down. Each is a list of rooms that do not know one another.
type Layers = &'static [&'static [&'static str]];

/// The crates and their layers, by folder. A room is a module right below the crate's root, or `lib`
/// for the items in the root's own file.
const LAYERS: &[(&str, Layers)] = &[
    (
        "",
        &[
            &["client", "doctor", "key", "rootfs"],
            &["cli", "serve"],
            &["compose", "environment"],
            &["settings"],
            &["exit", "greeting", "roles"],
            &["terminal"],
        ],
    ),
    (
        "api",
        &[
            &["api"],
            &["router"],
            &["routes"],
            &["state"],
            &["config", "description"],
            &["health"],
            &["execution"],
            &["callbacks"],
            &["history"],
            &["access", "error"],
            &["store"],
            &["metrics", "sync"],
        ],
    ),
    (
        "bench",
        &[
            &["render"],
            &["report"],
            &["latency", "sustained"],
            &["systems"],
            &["broker", "cpu", "process"],
            &["context"],
            &["plan"],
            &[
                "arguments",
                "machine",
                "progress",
                "setup",
                "statistics",
                "table",
                "workload",
            ],
        ],
    ),
    (
        "launcher",
        &[
            &["launcher"],
            &["template", "userns"],
            &["confine", "sandbox", "socket", "users"],
            &["arguments", "error"],
            &["cgroup"],
            &["log", "network", "seccomp", "spawn", "sys", "wire"],
        ],
    ),
    (
        "runner",
        &[
            &["job"],
            &["posture", "run"],
            &["park"],
            &["sandbox"],
            &["usage", "watch"],
            &["conversation", "launch", "reap"],
            &[
                "args", "filter", "landlock", "life", "locks", "process", "scratch", "shield",
                "wait",
            ],
            &[
                "capture",
                "cgroup",
                "devices",
                "ending",
                "error",
                "in_flight",
                "parked",
                "program",
                "sys",
                "wire",
            ],
        ],
    ),
    (
        "shared/bpf",
        &[
            &["compiler"],
            &["assembler", "interpreter", "rules"],
            &["machine"],
        ],
    ),
    (
        "shared/config",
        &[&["env"], &["variables"], &["secret", "variable"]],
    ),
    (
        "shared/http",
        &[
            &["default_responses", "foreign"],
            &["body"],
            &["answers", "api_error", "budget", "probes", "server"],
            &["pace"],
            &["places"],
            &["peer"],
        ],
    ),
    (
        "shared/languages",
        &[
            &["catalogue"],
            &["file"],
            &["language"],
            &["rules"],
            &["mask", "parking", "rule", "scopes", "uses"],
            &["fault", "lexer"],
            &[
                "escapes",
                "image",
                "name",
                "policy",
                "position",
                "syntax",
                "violation",
            ],
        ],
    ),
    (
        "shared/rootfs",
        &[
            &["install", "source"],
            &["archive", "directory"],
            &["check", "furnish", "layer"],
            &["provenance"],
            &["tree"],
            &["entry_path"],
            &["additions", "error"],
            &["bounds", "faults", "hash"],
        ],
    ),
    (
        "shared/protocol",
        &[
            &["reply"],
            &["contract", "job"],
            &["submission"],
            &["clip", "compare"],
            &["event", "outcome", "presence", "refusal"],
            &[
                "callback", "health", "ids", "limits", "problem", "signal", "time",
            ],
        ],
    ),
    (
        "shared/queue",
        &[
            &["memory", "rabbit"],
            &["worker_queue"],
            &["deliveries"],
            &["suspect_token"],
            &["api_queue", "delivery", "waiters"],
            &["callback", "cancellations", "link", "pending"],
            &[
                "class",
                "error",
                "event_bus",
                "room_turns",
                "unclaimed",
                "worker_registry",
            ],
        ],
    ),
    ("shared/telemetry", &[&["traces"]]),
    (
        "worker",
        &[
            &["worker"],
            &["config", "doctor"],
            &["intake"],
            &["condition"],
            &["run"],
            &["metrics"],
            &["readiness"],
            &["host"],
            &["posture"],
            &["roots", "sandbox"],
            &["engine", "slots"],
            &["error", "pauses"],
        ],
    ),
];

/// The imports within a crate: between its files, and between its rooms.
struct Within {
    files: Graph,
    rooms: Graph,
}

impl Within {
    fn read(folder: &str, all: &[File]) -> Self {
        let modules = Modules::of(folder, all);
        let imports = imports(&modules);
        let room = |path: &[String]| path.first().map_or("lib", String::as_str).to_owned();
        let root_is_imported = imports.values().any(|to| to.contains_key(&Vec::new()));
        let (mut files, mut rooms) = (Graph::default(), Graph::default());
        for (from, targets) in &imports {
            // A root that defines nothing only puts the rooms together.
            let is_room = root_is_imported || !from.is_empty();
            files.add_node(&modules.name(from));
            if is_room {
                rooms.add_node(&room(from));
            }
            for (to, path) in targets {
                files.add(&modules.name(from), &modules.name(to), path);
                if is_room {
                    rooms.add(&room(from), &room(to), path);
                }
            }
        }
        Self { files, rooms }
    }
}

/// Returns the rooms that no layer lists, the listed ones that do not exist, and the imports that
/// do not go down.
fn faults(folder: &str, layers: &[&[&str]], graph: &Graph) -> Vec<String> {
    let layer_of = |room: &str| layers.iter().position(|layer| layer.contains(&room));
    let mut faults = Vec::new();
    for (room, targets) in &graph.0 {
        let Some(own) = layer_of(room) else {
            faults.push(format!("{folder}: {room} is in no layer"));
            continue;
        };
        for (target, path) in targets {
            if layer_of(target).is_some_and(|below| below <= own) {
                faults.push(format!(
                    "{folder}: {room} imports {path} from {target}, which is not below"
                ));
            }
        }
    }
    for room in layers.iter().flat_map(|layer| layer.iter()) {
        if !graph.0.contains_key(*room) {
            faults.push(format!("{folder}: there is no {room}"));
        }
    }
    faults
}

#[test]
fn imports_go_down() {
    let files = files::rust();
    let faults: Vec<_> = LAYERS
        .iter()
        .flat_map(|(folder, layers)| faults(folder, layers, &Within::read(folder, &files).rooms))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_crate_with_rooms_has_layers() {
    let files = files::rust();
    let missing: Vec<_> = files::crate_folders()
        .into_iter()
        .filter(|folder| !Within::read(folder, &files).rooms.0.is_empty())
        .filter(|folder| LAYERS.iter().all(|(listed, _)| listed != folder))
        .collect();
    assert!(missing.is_empty(), "no layers for {missing:?}");
}

#[test]
fn no_crate_has_a_circle() {
    let files = files::rust();
    let mut circles = Vec::new();
    for folder in files::crate_folders() {
        let within = Within::read(&folder, &files);
        let rooms = within.rooms.circles().into_iter();
        circles.extend(rooms.map(|circle| format!("{folder}, rooms: {circle}")));
        let files = within.files.circles().into_iter();
        circles.extend(files.map(|circle| format!("{folder}, files: {circle}")));
    }
    assert!(circles.is_empty(), "{}", circles.join("\n\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a crate with a façade: `b` re-exports what `b::c` defines.
    fn crate_with(a: &str) -> Vec<File> {
        vec![
            File::new("x/src/lib.rs", "mod a; mod b; pub use b::C; // crate::a"),
            File::new("x/src/a.rs", a),
            File::new(
                "x/src/b/mod.rs",
                "mod c; mod e; pub use c::C; pub struct B;",
            ),
            File::new("x/src/b/c.rs", "use super::e::E; pub struct C(E);"),
            File::new("x/src/b/e.rs", "use std::fmt; pub struct E;"),
        ]
    }

    const AB: &[&[&str]] = &[&["a"], &["b"]];
    const BA: &[&[&str]] = &[&["b"], &["a"]];

    #[test]
    fn an_import_upwards_is_a_fault() {
        for import in [
            "use crate::b::B;",
            "use crate::C;",
            "use crate::{a::A, b::{self, C as D}}; fn f(d: D) { b::B }",
            "fn f() { crate::b::B }",
            "use super::b; fn f() { b::c::C }",
        ] {
            let graph = Within::read("x", &crate_with(import)).rooms;
            assert_eq!(faults("x", AB, &graph), Vec::<String>::new(), "{import}");
            let found = faults("x", BA, &graph);
            assert_eq!(found.len(), 1, "{import}: {found:?}");
            assert!(
                found[0].ends_with(" from b, which is not below"),
                "{found:?}"
            );
        }
    }

    #[test]
    fn comments_literals_and_tests_import_nothing() {
        let graph = Within::read(
            "x",
            &crate_with(
                "/// crate::b::B
                 fn f() { \"crate::b::B\" } #[cfg(test)] mod tests { use crate::b::B; }",
            ),
        )
        .rooms;
        assert_eq!(faults("x", BA, &graph), Vec::<String>::new());
    }

    #[test]
    fn a_room_without_a_layer_and_a_layer_without_its_room_are_faults() {
        let graph = Within::read("x", &crate_with("")).rooms;
        let found = faults("x", &[&["a", "d"]], &graph);
        assert_eq!(found, ["x: b is in no layer", "x: there is no d"]);
    }

    #[test]
    fn circles_are_found_between_files_and_rooms() {
        let without = crate_with("use crate::C;");
        assert_eq!(
            Within::read("x", &without).rooms.circles(),
            Vec::<String>::new()
        );
        assert_eq!(
            Within::read("x", &without).files.circles(),
            Vec::<String>::new()
        );

        let mut between_files = without;
        between_files[4].text = "use super::C; fn f(c: C) {}".to_owned();
        assert_eq!(
            Within::read("x", &between_files).rooms.circles(),
            Vec::<String>::new()
        );
        assert_eq!(
            Within::read("x", &between_files).files.circles(),
            ["b/c.rs imports b::e::E from b/e.rs; b/e.rs imports b::C from b/c.rs"]
        );

        let mut between_rooms = crate_with("use crate::b::B;");
        between_rooms[4].text = "use crate::a::A;".to_owned();
        assert_eq!(
            Within::read("x", &between_rooms).rooms.circles(),
            ["a imports b::B from b; b imports a::A from a"]
        );
    }
}
