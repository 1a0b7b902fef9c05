use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cargo::{self, cargo};
use crate::{environment, say};

/// What a package may have beside what cargo writes itself.
const FOLDERS: [&str; 4] = ["src", "migrations", "assets", "templates"];
/// What each package has, with the very text of the repository's own licences.
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];
/// What cargo adds.
const OF_CARGO: [&str; 4] = ["Cargo.toml", "Cargo.toml.orig", "Cargo.lock", ".cargo_vcs_info.json"];
/// How large a package may be, in bytes, packed: three times the largest of today.
const LARGEST: u64 = 1024 * 1024;

/// A crate that can be published.
pub struct Publishable {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
    version: String,
    metadata: Value,
}

/// Makes a package of every crate that can be published, builds each from what is in it, and looks through the lists.
/// `to_publish` also asks for what only a release needs: no uncommitted change, and where the source is.
pub fn run(to_publish: bool) -> Result<()> {
    let metadata = metadata()?;
    let target = target(&metadata)?;
    let crates = publishable(&metadata);
    if crates.is_empty() {
        bail!("no crate of the workspace can be published");
    }
    let of_manifests = crates.iter().flat_map(|one| {
        let complaints = complaints_about_manifest(&one.metadata, to_publish);
        complaints.into_iter().map(|complaint| format!("{}: {complaint}", one.name))
    });
    refuse(&of_manifests.collect::<Vec<_>>())?;

    forget_earlier_packages(&target, &crates)?;
    let mut package = cargo(&["package", "--locked"]);
    // Without the profile of this workspace, which is no part of a package, each library would be built anew.
    package.arg("--config").arg(write_profile(&target)?);
    if !to_publish {
        package.arg("--allow-dirty");
    }
    for one in &crates {
        package.args(["--package", &one.name]);
    }
    cargo::run(&mut package)?;

    let mut wrong = Vec::new();
    for one in &crates {
        let name = format!("{}-{}", one.name, one.version);
        let unpacked = target.join("package").join(&name);
        let size = fs::metadata(target.join("package").join(format!("{name}.crate")))?.len();
        let packaged = files_below(&unpacked)?;
        let complaints = [
            complaints_about_files(&packaged, &tracked(&one.folder)?),
            complaints_about_texts(&one.name, &unpacked),
            (size > LARGEST)
                .then(|| {
                    format!("it has {} KiB, and at most {} KiB are allowed", size / 1024, LARGEST / 1024)
                })
                .into_iter()
                .collect(),
        ];
        say::note(&format!("{name}: {} files, {} KiB", packaged.len(), size / 1024));
        wrong.extend(complaints.into_iter().flatten().map(|complaint| format!("{}: {complaint}", one.name)));
    }
    refuse(&wrong)?;
    if crates.iter().any(|one| one.metadata["repository"].is_null()) {
        say::note("no `repository` is set in Cargo.toml: crates.io wants to show the way to the source");
    }
    Ok(())
}

fn refuse(complaints: &[String]) -> Result<()> {
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{}", complaints.join("\n"));
}

/// All that cargo knows of the workspace.
pub fn metadata() -> Result<Value> {
    let told = cargo(&["metadata", "--no-deps", "--format-version=1", "--locked"]).output()?;
    if !told.status.success() {
        bail!("{}", String::from_utf8_lossy(&told.stderr).trim());
    }
    serde_json::from_slice(&told.stdout).context("cargo tells of the workspace in JSON")
}

/// The crates of the workspace that can be published.
pub fn publishable(metadata: &Value) -> Vec<Publishable> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let may_go_anywhere = packages.filter(|package| package["publish"].is_null());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let crates = may_go_anywhere.map(|package| Publishable {
        name: text(&package["name"]),
        version: text(&package["version"]),
        folder: PathBuf::from(text(&package["manifest_path"]))
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default(),
        metadata: package.clone(),
    });
    crates.collect()
}

fn target(metadata: &Value) -> Result<PathBuf> {
    Ok(metadata["target_directory"].as_str().context("cargo names its target folder")?.into())
}

/// Our profile for development as a file of settings for cargo.
fn write_profile(target: &Path) -> Result<PathBuf> {
    let manifest = fs::read_to_string(cargo::root().join("Cargo.toml"))?;
    let file = target.join("package-profile.toml");
    fs::write(&file, sections(&manifest, "profile.dev"))?;
    Ok(file)
}

/// The sections of a manifest whose names begin so.
fn sections(manifest: &str, prefix: &str) -> String {
    let mut is_wanted = false;
    let lines = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            is_wanted = line.starts_with(&format!("[{prefix}"));
        }
        is_wanted
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Has cargo unpack and build each crate anew of which there was a package before. To cargo a package is what never changes under its
/// version, so the next crate would be built with what this one was before its last change.
fn forget_earlier_packages(target: &Path, crates: &[Publishable]) -> Result<()> {
    for registry in entries(&cargo_home()?.join("registry/src"))? {
        // A registry at an address has its host's name before the hash, and one in a folder nothing.
        if registry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('-')) {
            for one in crates {
                remove(&registry.join(format!("{}-{}", one.name, one.version)))?;
            }
        }
    }
    for file in entries(&target.join("debug/deps"))?
        .iter()
        .filter(|file| file.extension().is_some_and(|kind| kind == "d"))
    {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let built = stem.rsplit_once('-').and_then(|(name, hash)| {
            Some((crates.iter().find(|one| one.name.replace('-', "_") == name)?, hash))
        });
        let Some((one, hash)) = built else { continue };
        // What is built of the workspace itself names files of the workspace.
        if fs::read_to_string(file)?.contains(&format!("{}-{}/src/lib.rs", one.name, one.version)) {
            remove(&target.join("debug/.fingerprint").join(format!("{}-{hash}", one.name)))?;
        }
    }
    Ok(())
}

fn cargo_home() -> Result<PathBuf> {
    let set = environment::variable("CARGO_HOME").map(PathBuf::from);
    let home = || environment::variable("HOME").map(|home| Path::new(&home).join(".cargo"));
    set.or_else(home).context("neither CARGO_HOME nor HOME is set")
}

/// What is in a folder; nothing where it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Removes a folder, where it is.
fn remove(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(())
}

/// The files below a folder, by their paths in it.
fn files_below(folder: &Path) -> Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("{} is not there", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder)?.to_string_lossy().into_owned());
            }
        }
    }
    Ok(files)
}

/// The files below a folder that git keeps.
fn tracked(folder: &Path) -> Result<BTreeSet<String>> {
    let listed = Command::new("git").args(["ls-files", "--cached"]).current_dir(folder).output()?;
    if !listed.status.success() {
        bail!("`git ls-files` does not work: {}", String::from_utf8_lossy(&listed.stderr).trim());
    }
    Ok(String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect())
}

/// What is missing of what the crate is made of, and what nobody needs who builds it.
fn complaints_about_files(packaged: &BTreeSet<String>, tracked: &BTreeSet<String>) -> Vec<String> {
    let folder = |file: &str| file.split_once('/').map(|(folder, _)| folder.to_owned());
    let is_part = |file: &&String| folder(file).is_some_and(|folder| FOLDERS.contains(&folder.as_str()));
    let missing = tracked.iter().filter(is_part).filter(|file| !packaged.contains(*file));
    let missing = missing.cloned().chain(
        ["README.md"]
            .iter()
            .chain(&LICENCES)
            .filter(|file| !packaged.contains(**file))
            .map(|file| (*file).to_owned()),
    );
    let is_needed = |file: &&String| {
        let is_known = OF_CARGO.contains(&file.as_str()) || LICENCES.contains(&file.as_str());
        let is_snapshot = Path::new(file).extension().is_some_and(|extension| extension == "snap");
        (is_known || *file == "README.md" || is_part(file)) && !is_snapshot
    };
    let needless = packaged.iter().filter(|file| !is_needed(file));
    let missing = missing.map(|file| format!("{file} is missing in the package"));
    missing
        .chain(needless.map(|file| format!("{file} is in the package, and nobody needs it there")))
        .collect()
}

/// Whether the licences are ours and the README is of this crate.
fn complaints_about_texts(name: &str, unpacked: &Path) -> Vec<String> {
    let read = |file: PathBuf| fs::read_to_string(file).unwrap_or_default();
    let mut complaints = Vec::new();
    for licence in LICENCES {
        if read(unpacked.join(licence)) != read(cargo::root().join(licence)) {
            complaints.push(format!("{licence} has another text than that of the repository"));
        }
    }
    let readme = read(unpacked.join("README.md"));
    if !readme.starts_with(&format!("# {name}\n")) || !readme.contains("```") {
        complaints.push("README.md does not begin with the crate's name, or shows no first use".to_owned());
    }
    complaints
}

/// What crates.io and docs.rs show of it.
fn complaints_about_manifest(package: &Value, to_publish: bool) -> Vec<String> {
    let is_there = |field: &str| match &package[field] {
        Value::Array(values) => !values.is_empty(),
        value => !value.is_null(),
    };
    let mut fields = vec!["description", "license", "readme", "rust_version", "keywords", "categories"];
    if to_publish {
        fields.push("repository");
    }
    let missing = fields.into_iter().filter(|field| !is_there(field));
    let mut complaints: Vec<String> =
        missing.map(|field| format!("Cargo.toml does not say its {field}")).collect();
    if !package["metadata"]["docs"]["rs"].is_object() {
        complaints.push("Cargo.toml has no [package.metadata.docs.rs]".to_owned());
    }
    complaints
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn files(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const WHOLE: [&str; 6] = [
        "Cargo.toml",
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "src/lib.rs",
        "templates/mails/button.html",
    ];

    #[test]
    fn a_package_that_has_what_the_folder_has_is_whole() {
        let folder = files(&[&WHOLE[..], &["tests/http/main.rs"]].concat());
        assert_eq!(complaints_about_files(&files(&WHOLE), &folder), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_named() {
        for missing in ["templates/mails/button.html", "LICENSE-MIT", "README.md", "src/lib.rs"] {
            let packaged: Vec<&str> = WHOLE.into_iter().filter(|file| *file != missing).collect();
            let complaints = complaints_about_files(&files(&packaged), &files(&WHOLE));
            assert_eq!(complaints, [format!("{missing} is missing in the package")]);
        }
    }

    #[test]
    fn what_nobody_needs_is_named() {
        for needless in ["tests/http/main.rs", "src/snapshots/one.snap", ".env", "benches/check.rs"] {
            let packaged = files(&[&WHOLE[..], &[needless]].concat());
            let complaints = complaints_about_files(&packaged, &files(&WHOLE));
            assert_eq!(complaints, [format!("{needless} is in the package, and nobody needs it there")]);
        }
    }

    #[test]
    fn a_release_says_where_its_source_is() {
        let mut package = json!({
            "description": "Accounts", "license": "MIT", "readme": "README.md", "rust_version": "1.95",
            "keywords": ["accounts"], "categories": ["authentication"], "repository": null,
            "metadata": { "docs": { "rs": {} } },
        });
        assert_eq!(complaints_about_manifest(&package, false), Vec::<String>::new());
        assert_eq!(complaints_about_manifest(&package, true), ["Cargo.toml does not say its repository"]);
        package["keywords"] = json!([]);
        assert_eq!(complaints_about_manifest(&package, false), ["Cargo.toml does not say its keywords"]);
    }

    #[test]
    fn what_says_that_it_is_not_published_is_not() {
        let metadata = json!({ "packages": [
            { "name": "vestibule", "version": "0.1.0", "manifest_path": "/a/Cargo.toml", "publish": null },
            { "name": "site", "version": "0.1.0", "manifest_path": "/b/Cargo.toml", "publish": [] },
        ] });
        let names: Vec<String> = publishable(&metadata).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["vestibule"]);
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let manifest =
            "[lints]\na = 1\n[profile.dev]\nb = 2\n[profile.dev.package]\nc = 3\n[profile.release]\nd = 4\n";
        assert_eq!(sections(manifest, "profile.dev"), "[profile.dev]\nb = 2\n[profile.dev.package]\nc = 3\n");
    }
}
