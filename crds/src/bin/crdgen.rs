//! Writes the CustomResourceDefinitions into a folder: `crdgen crds`.

use std::{env, fs, path::PathBuf};

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = env::args().nth(1).context("usage: crdgen FOLDER")?.into();
    for (file, definition) in crds::manifest::all()? {
        let path = folder.join(file);
        fs::write(&path, crds::manifest::to_yaml(&definition)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
