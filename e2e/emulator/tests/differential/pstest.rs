//! Google's Go fake as a process, built from `pstest/`.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The binary, and what it tells of the messages.
pub(crate) struct Built {
    binary: PathBuf,
    /// The messages of Pub/Sub and IAM, as a `FileDescriptorSet`.
    pub(crate) descriptors: PathBuf,
}

impl Built {
    pub(crate) fn build() -> Self {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (binary, descriptors) = (out.join("pstest"), out.join("pubsub.binpb"));
        let built = Command::new("go")
            .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
            .arg(&binary)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/pstest"))
            .env("CGO_ENABLED", "0")
            .status()
            .expect("go is installed (https://go.dev/dl)");
        assert!(built.success(), "pstest does not build");
        let built = Self { binary, descriptors };
        // Started once, it has written the descriptors before its address.
        drop(built.start());
        built
    }

    pub(crate) fn start(&self) -> Pstest {
        let mut process = Command::new(&self.binary)
            .arg(&self.descriptors)
            // Its end is the fake's: nothing stays behind, however this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It may panic; that is a difference like others.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut address).unwrap();
        Pstest {
            process,
            address: address.trim().to_owned(),
        }
    }
}

pub(crate) struct Pstest {
    process: Child,
    pub(crate) address: String,
}

impl Drop for Pstest {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
