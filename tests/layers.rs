//! Do modules import only from the layers below their own?
//!
//! Reads the `use` lines of `src/` and compares them with the list of layers below.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// From top to bottom. Modules of one line never import each other.
const LAYERS: [&[&str]; 6] = [
    &["main", "lib"],
    &["publish"],
    &["gate", "upload"],
    &["report", "inputs", "sofy", "github"],
    &["model"],
    &["stop", "retry", "text", "secret"],
];

fn layer_of(module: &str) -> usize {
    let layer = LAYERS.iter().position(|layer| layer.contains(&module));
    layer.unwrap_or_else(|| panic!("{module} is in no layer: add it to the list"))
}

/// Every file below a folder except test-only code, with the name of its top-level module.
fn files(folder: &Path, module: Option<&str>) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let module = module.unwrap_or(&name);
        if module == "tests" {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, Some(module))?);
        } else {
            found.push((module.to_owned(), path));
        }
    }
    Ok(found)
}

/// The top-level modules that the product code of a file names by `crate::`.
fn imports(source: &str) -> Vec<String> {
    let product = source.split("mod tests {").next().unwrap_or_default();
    let mut lines = product.lines().peekable();
    let mut modules = Vec::new();
    while let Some(line) = lines.next() {
        // The next line is there for tests and fuzz targets only.
        if line.trim().starts_with("#[cfg(") && line.contains("test") {
            lines.next();
            continue;
        }
        if line.trim_start().starts_with("//") {
            continue;
        }
        for after in line.split("crate::").skip(1) {
            assert!(!after.starts_with('{'), "one `use` for each module: {line}");
            let end = after
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(after.len());
            modules.push(after[..end].to_owned());
        }
    }
    modules
}

#[test]
fn modules_import_only_from_the_layers_below_their_own() -> io::Result<()> {
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), None)?;
    assert!(files.len() > 30, "the files were not found");
    let mut wrong = Vec::new();
    for (module, path) in &files {
        let source = fs::read_to_string(path)?;
        for import in imports(&source) {
            if import != *module && layer_of(&import) <= layer_of(module) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that point up or sideways: {wrong:#?}"
    );
    Ok(())
}
