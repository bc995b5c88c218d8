//! Writes the JSON Schemas into `events/schemas`: `cargo run --example schemas`. With `-- release` it also keeps them as released, if
//! they break none that was released before.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use events::{compatibility, schema};
use serde_json::Value;

fn main() -> anyhow::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let present = schema::all();
    for (path, schema) in &present {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs::write(&path, schema::to_text(schema))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if env::args().nth(1).as_deref() != Some("release") {
        return Ok(());
    }
    let path = folder.join(schema::RELEASED);
    let released: BTreeMap<String, Value> = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let found = compatibility::breakages(&released, &present);
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    ensure!(
        found.is_empty(),
        "what was released would break; give the payload another version instead: {}",
        shown.join("; ")
    );
    let text = schema::to_text(&serde_json::to_value(&present)?);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
