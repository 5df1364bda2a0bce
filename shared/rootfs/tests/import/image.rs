//! Images that are made here, and the archives they are saved as.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::Tar;

/// The architecture of this machine, as images name it.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image that is being made.
pub struct Image {
    /// Its layers, as uncompressed archives.
    pub layers: Vec<Vec<u8>>,
    /// Whether they are compressed.
    pub gzip: bool,
}

impl Image {
    pub fn of(layers: impl IntoIterator<Item = Tar>) -> Self {
        let layers = layers.into_iter().map(Tar::bytes).collect();
        Self { layers, gzip: true }
    }

    pub fn configuration(&self) -> Value {
        let diff_ids: Vec<_> = self.layers.iter().map(|layer| digest(layer)).collect();
        json!({
            "architecture": ARCHITECTURE, "os": "linux",
            "config": { "Env": ["LANG=C", "PATH=/opt/bin:/bin"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        })
    }

    /// Writes it as an image layout. Returns the digest of its configuration.
    pub fn layout(&self, at: &Path) -> String {
        let blobs = at.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let blob = |bytes: &[u8], kind: &str| {
            let digest = digest(bytes);
            fs::write(blobs.join(&digest[7..]), bytes).unwrap();
            json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
        };
        let layers = self.layers.iter().map(|layer| {
            let packed = if self.gzip {
                gzip(layer)
            } else {
                layer.clone()
            };
            blob(&packed, "application/vnd.oci.image.layer.v1.tar+gzip")
        });
        let layers: Vec<_> = layers.collect();
        let text = self.configuration().to_string();
        let config = blob(text.as_bytes(), "application/vnd.oci.image.config.v1+json");
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let mut described = blob(manifest.to_string().as_bytes(), kind);
        described["platform"] = json!({ "os": "linux", "architecture": ARCHITECTURE });
        described["annotations"] = json!({ "io.containerd.image.name": "python:test" });
        let mut foreign = described.clone();
        foreign["platform"]["architecture"] = json!("riscv64");
        // As `docker buildx` nests it.
        let inner = json!({ "schemaVersion": 2, "manifests": [foreign, described] });
        let kind = "application/vnd.oci.image.index.v1+json";
        let inner = blob(inner.to_string().as_bytes(), kind);
        let index = json!({ "schemaVersion": 2, "manifests": [inner] });
        fs::write(at.join("index.json"), index.to_string()).unwrap();
        fs::write(at.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        digest(text.as_bytes())
    }

    /// Writes it as Docker before 25 saves it. Returns the digest of its configuration.
    pub fn saved(&self, at: &Path) -> String {
        let text = self.configuration().to_string();
        let id = digest(text.as_bytes());
        let file = format!("{}.json", &id[7..]);
        let mut layers = Vec::new();
        let mut tar = Tar::new().file(&file, &text);
        for (number, layer) in self.layers.iter().enumerate() {
            let name = format!("{number}/layer.tar");
            let first = self.layers.iter().position(|other| other == layer).unwrap();
            tar = if first == number {
                tar.entry(tar::EntryType::Regular, &name, 0o644, layer)
            } else {
                tar.link(&name, &format!("../{first}/layer.tar"))
            };
            layers.push(name);
        }
        let manifest = json!([{ "Config": file, "RepoTags": ["python:test"], "Layers": layers }]);
        let tar = tar.file("manifest.json", &manifest.to_string());
        fs::write(at, tar.bytes()).unwrap();
        id
    }
}
