//! Image archives: OCI layouts and what `docker save` writes, good and forged.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use warren_rootfs::{EntryFault, Error, Provenance, Result, Source};

use crate::harness::{Ground, Tar, runner};
use crate::image::{Image, digest, gzip};

fn import(ground: &Ground, from: &Path) -> Result<Provenance> {
    let source = Source::open(from)?;
    let unpack = |tree: &mut _| source.unpack(tree);
    ground
        .begin()
        .replace(source.origin(), ground.bounds, &runner(), unpack)
}

/// Packs a directory as a tar archive beside it.
fn packed(directory: &Path) -> PathBuf {
    let path = directory.with_extension("tar");
    let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
    builder.append_dir_all(".", directory).unwrap();
    builder.finish().unwrap();
    path
}

fn two_layers() -> Image {
    Image::of([
        Tar::new()
            .folder("etc")
            .file("etc/version", "1")
            .file("etc/gone", "")
            .file("opt/old/file", "")
            .file("opt/old/inner/file", "")
            .file("kept/file", "kept"),
        Tar::new()
            .file("etc/version", "2")
            .file("etc/.wh.gone", "")
            .file("opt/old/inner/new", "new")
            .file("opt/old/.wh..wh..opq", "")
            .file("opt/.wh.absent", "")
            .file(".wh..wh.plnk/1.2", ""),
    ])
}

fn assert_two_layers(ground: &Ground) {
    assert_eq!(ground.read("etc/version"), "2");
    assert_eq!(
        ground.read("opt/old/inner/new"),
        "new",
        "a layer keeps what is its own"
    );
    assert_eq!(ground.read("kept/file"), "kept");
    for gone in [
        "etc/gone",
        "etc/.wh.gone",
        "opt/old/file",
        "opt/old/inner/file",
        ".wh..wh.plnk",
    ] {
        assert!(!ground.root().join(gone).exists(), "{gone}");
    }
    ground.assert_clean();
}

#[test]
fn layers_cover_those_below_them() {
    for gzip in [true, false] {
        let ground = Ground::new();
        let layout = ground.directory.path().join("image");
        let image = Image {
            gzip,
            ..two_layers()
        };
        let id = image.layout(&layout);
        for from in [layout.clone(), packed(&layout)] {
            let provenance = import(&ground, &from).unwrap();
            assert_two_layers(&ground);
            let origin = provenance.origin;
            assert_eq!(
                (origin.id, origin.name),
                (Some(id.clone()), "python:test".to_owned())
            );
            assert_eq!(origin.path.as_deref(), Some("/opt/bin:/bin"));
            assert!(origin.chosen);
        }
    }
}

#[test]
fn archives_of_older_dockers_are_read() {
    let ground = Ground::new();
    let mut image = two_layers();
    // One layer twice, which is saved once.
    image.layers.push(image.layers[1].clone());
    let saved = ground.directory.path().join("saved.tar");
    let id = image.saved(&saved);
    let provenance = import(&ground, &saved).unwrap();
    assert_two_layers(&ground);
    assert_eq!(provenance.origin.id, Some(id));
}

#[test]
fn a_whole_root_is_told_from_an_image() {
    let ground = Ground::new();
    let flat = ground.directory.path().join("flat.tar");
    fs::write(&flat, Tar::new().file("etc/.wh.version", "a file").bytes()).unwrap();
    let provenance = import(&ground, &flat).unwrap();
    assert_eq!(
        ground.read("etc/.wh.version"),
        "a file",
        "whiteouts are for layers"
    );
    assert_eq!(provenance.origin.id, None);
    let directory = ground.root();
    let again = Ground::new();
    import(&again, &directory).unwrap();
    assert_eq!(again.read("etc/.wh.version"), "a file");
}

#[test]
fn a_changed_part_is_refused() {
    for part in 0.. {
        let ground = Ground::new();
        let layout = ground.directory.path().join("image");
        two_layers().layout(&layout);
        let blobs = layout.join("blobs/sha256");
        let mut names = crate::harness::names(&blobs);
        if part >= names.len() {
            assert!(
                part >= 5,
                "manifest, index, configuration and two layers: {part}"
            );
            break;
        }
        let blob = blobs.join(names.swap_remove(part));
        let mut bytes = fs::read(&blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&blob, bytes).unwrap();
        let result = import(&ground, &layout);
        // A damaged layer may be noticed before its end.
        let is_noticed = matches!(
            result,
            Err(Error::Digest { .. } | Error::Archive(_) | Error::Io { .. } | Error::Entry { .. })
        );
        assert!(is_noticed, "{result:?}");
        assert!(!ground.root().exists());
        ground.assert_clean();
    }
}

#[test]
fn a_layer_that_unpacks_to_something_else_is_refused() {
    let ground = Ground::new();
    let layout = ground.directory.path().join("image");
    let mut image = two_layers();
    let named = image.configuration();
    image.layers[1] = Tar::new().file("etc/version", "forged").bytes();
    let id = image.layout(&layout);
    // The manifest names the forged layer by its right digest, and the true configuration.
    replace_configuration(&layout, &id, &named);
    let result = import(&ground, &layout);
    let Err(Error::Digest { what, .. }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(what, "unpacked layer");
    ground.assert_clean();
}

/// Puts another configuration into a layout, with all digests above it.
fn replace_configuration(layout: &Path, id: &str, by: &Value) {
    let blobs = layout.join("blobs/sha256");
    let mut renamed = vec![(id.to_owned(), by.to_string())];
    while let Some((old, text)) = renamed.pop() {
        let new = digest(text.as_bytes());
        let size = fs::metadata(blobs.join(&old[7..])).unwrap().len();
        fs::write(blobs.join(&new[7..]), &text).unwrap();
        let above = fs::read_dir(&blobs)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        for path in above.chain([layout.join("index.json")]) {
            let Ok(holder) = fs::read_to_string(&path) else {
                continue;
            };
            if !holder.contains(&old) || holder.starts_with("{\"architecture") {
                continue;
            }
            let mut value: Value = serde_json::from_str(&holder).unwrap();
            swap(&mut value, &old, &new, size, text.len());
            let holder = value.to_string();
            if path.ends_with("index.json") {
                fs::write(&path, holder).unwrap();
            } else {
                let name = path.file_name().unwrap().to_str().unwrap();
                renamed.push((format!("sha256:{name}"), holder));
            }
        }
    }
}

fn swap(value: &mut Value, old: &str, new: &str, size: u64, length: usize) {
    match value {
        Value::Object(fields) => {
            if fields.get("digest").is_some_and(|digest| digest == old) {
                assert_eq!(fields["size"], size);
                fields.insert("digest".to_owned(), json!(new));
                fields.insert("size".to_owned(), json!(length));
            }
            fields
                .values_mut()
                .for_each(|value| swap(value, old, new, size, length));
        }
        Value::Array(values) => {
            values
                .iter_mut()
                .for_each(|value| swap(value, old, new, size, length));
        }
        _ => {}
    }
}

#[test]
fn whiteouts_of_nothing_are_refused() {
    for name in [".wh.", "a/.wh..", "a/.wh..."] {
        let ground = Ground::new();
        let layout = ground.directory.path().join("image");
        Image::of([Tar::new().folder("a").file(name, "")]).layout(&layout);
        let result = import(&ground, &layout);
        let Err(Error::Entry { fault, .. }) = result else {
            panic!("{name}: {result:?}");
        };
        assert_eq!(fault, EntryFault::Whiteout);
        ground.assert_clean();
    }
}

#[test]
fn whiteouts_do_not_reach_outside() {
    for name in [".wh.secret", ".wh..wh..opq"] {
        let ground = Ground::new();
        let outside = ground.outside();
        let layout = ground.directory.path().join("image");
        let lower = Tar::new().link("exit", outside.to_str().unwrap());
        let upper = Tar::new().file(&format!("exit/{name}"), "");
        Image::of([lower, upper]).layout(&layout);
        import(&ground, &layout).unwrap();
        ground.assert_clean();
    }
}

#[test]
fn a_small_archive_of_a_large_layer_is_stopped() {
    let mut ground = Ground::new();
    ground.bounds.file = 1 << 20;
    let layout = ground.directory.path().join("image");
    Image::of([Tar::new().file("zeros", &"\0".repeat(2 << 20))]).layout(&layout);
    let result = import(&ground, &layout);
    assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    // Behind the last entry, where no entry's bound counts.
    let layout = ground.directory.path().join("trailing");
    let mut image = Image::of([Tar::new().file("a", "")]);
    image.layers[0].extend(vec![0; 2 << 20]);
    image.layout(&layout);
    let result = import(&ground, &layout);
    assert!(matches!(result, Err(Error::Digest { .. })), "{result:?}");
    ground.assert_clean();
}

#[test]
fn what_is_no_single_image_for_this_machine_is_refused_with_a_reason() {
    let ground = Ground::new();
    let file = ground.directory.path().join("file.tar.gz");
    fs::write(&file, gzip(&Tar::new().file("a", "").bytes())).unwrap();
    let said = import(&ground, &file).unwrap_err().to_string();
    assert!(said.contains("gunzip"), "{said}");

    let layout = ground.directory.path().join("image");
    two_layers().layout(&layout);
    let index = fs::read_to_string(layout.join("index.json")).unwrap();
    let mut index: Value = serde_json::from_str(&index).unwrap();
    let one = index["manifests"][0].clone();
    let mut with = |manifests: Value| {
        index["manifests"] = manifests;
        fs::write(layout.join("index.json"), index.to_string()).unwrap();
        import(&ground, &layout).unwrap_err().to_string()
    };
    let said = with(json!([one, one]));
    assert!(said.contains("more than one image"), "{said}");
    let said = with(json!([]));
    assert!(said.contains("is for linux/"), "{said}");
    let mut other = one.clone();
    other["digest"] = json!("sha512:00");
    let said = with(json!([other]));
    assert!(said.contains("not SHA-256"), "{said}");
    let mut longer = one;
    longer["size"] = json!(1);
    let said = with(json!([longer]));
    assert!(said.contains("another length"), "{said}");

    fs::remove_file(layout.join("index.json")).unwrap();
    let said = import(&ground, &layout).unwrap_err().to_string();
    assert!(said.contains("no index.json"), "{said}");
    let said = import(&ground, Path::new("/nowhere"))
        .unwrap_err()
        .to_string();
    assert!(said.contains("/nowhere"), "{said}");
}

#[test]
fn zstd_is_refused_with_a_way_out() {
    let ground = Ground::new();
    let layout = ground.directory.path().join("image");
    let mut image = Image::of([Tar::new()]);
    image.gzip = false;
    image.layers[0] = [&[0x28, 0xb5, 0x2f, 0xfd][..], &[0; 100]].concat();
    image.layout(&layout);
    let said = import(&ground, &layout).unwrap_err().to_string();
    assert!(said.contains("skopeo"), "{said}");
}
