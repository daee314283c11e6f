//! Which file is to be uploaded? The one below the workspace that a path or a glob names.
//!
//! Found and opened through the workspace, so that no link and no `..` leads out of it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::{Dir, File, FileExt as _, Metadata, MetadataExt as _};
use glob::Pattern;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::github::Runner;
use crate::upload::digests::{Digests, Hasher};

/// What an app archive begins with: that of ZIP.
const MAGIC: &[u8; 4] = b"PK\x03\x04";

/// Large enough for few system calls, small enough that a handful of them are nothing.
const PIECE: usize = 256 * 1024;

/// How many pieces are read ahead of the network.
const READ_AHEAD: usize = 4;

/// The most paths that an error lists: enough to see what went wrong.
const MOST_LISTED: usize = 10;

/// An app, open for reading.
#[derive(Clone, Debug)]
pub(crate) struct AppFile {
    /// Relative to the workspace.
    path: PathBuf,
    size: u64,
    file: Arc<File>,
}

/// A file that is being read.
pub(crate) struct Reading {
    pub(crate) pieces: Receiver<io::Result<Bytes>>,
    /// The digests of what was read; none where nobody took the pieces to their end.
    pub(crate) digests: JoinHandle<io::Result<Option<Digests>>>,
}

/// Finds the app that a path or a glob names below the workspace, or says everything that is wrong with it.
pub(crate) fn find(runner: &Runner, pattern: &Path) -> Result<AppFile, Vec<String>> {
    match runner.folder() {
        Ok(folder) => AppFile::find(folder, pattern),
        Err(problem) => Err(vec![format!("the workspace {problem}")]),
    }
}

impl AppFile {
    /// Finds the one file that a path or a glob names, or says everything that is wrong with it.
    pub(crate) fn find(dir: &Dir, pattern: &Path) -> Result<Self, Vec<String>> {
        let path = one_of(dir, pattern).map_err(|problem| vec![problem])?;
        let mut problems: Vec<String> = extension_problem(&path).into_iter().collect();
        match open(dir, &path) {
            Ok((file, size)) if problems.is_empty() => {
                return Ok(Self {
                    path,
                    size,
                    file: Arc::new(file),
                });
            }
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
        Err(problems)
    }

    /// The path relative to the workspace, for people.
    pub(crate) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// The name without folders, for Sofy.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Reads the file from its start, on a thread of its own, as fast as the pieces are taken.
    pub(crate) fn read(&self) -> Reading {
        let (sender, pieces) = channel(READ_AHEAD);
        let app = self.clone();
        Reading {
            pieces,
            digests: spawn_blocking(move || app.read_into(&sender)),
        }
    }

    fn read_into(&self, sender: &Sender<io::Result<Bytes>>) -> io::Result<Option<Digests>> {
        let mut taken = true;
        let digests = self.each_piece(|piece| {
            taken = sender.blocking_send(Ok(piece)).is_ok();
            taken
        });
        if let Err(error) = &digests {
            _ = sender.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
        }
        Ok(Some(digests?).filter(|_| taken))
    }

    /// Reads the file for its digests alone.
    pub(crate) async fn digests(&self) -> io::Result<Digests> {
        let app = self.clone();
        spawn_blocking(move || app.each_piece(|_| true))
            .await
            .map_err(io::Error::other)?
    }

    /// Hands over the file in pieces, until that is told to be enough.
    ///
    /// Positions are given with each read: an earlier attempt may still be reading.
    fn each_piece(&self, mut take: impl FnMut(Bytes) -> bool) -> io::Result<Digests> {
        let mut hasher = Hasher::new();
        let mut at = 0;
        while at < self.size {
            let rest = usize::try_from(self.size - at).unwrap_or(usize::MAX);
            let mut piece = vec![0; PIECE.min(rest)];
            match self.file.read_at(&mut piece, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => piece.truncate(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            at += piece.len() as u64;
            hasher.update(&piece);
            if !take(piece.into()) {
                break;
            }
        }
        Ok(hasher.finish())
    }
}

fn extension_problem(path: &Path) -> Option<String> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let problem = match extension.to_str() {
        Some("apk" | "ipa") => return None,
        Some("aab") => {
            "is an Android App Bundle, and Sofy takes APKs; make one with: bundletool build-apks \
             --mode=universal --bundle=app.aab --output=app.apks, then unzip app.apks universal.apk"
        }
        Some(_) | None => "is neither an .apk nor an .ipa, which is all that Sofy takes",
    };
    Some(format!("{} {problem}", path.display()))
}

/// Opens a file that may be an app.
fn open(dir: &Dir, path: &Path) -> Result<(File, u64), String> {
    let shown = path.display();
    let metadata = dir
        .metadata(path)
        .map_err(|error| unreadable(path, &error, None))?;
    if metadata.is_dir() {
        return Err(format!("{shown} is a folder; give the file inside it"));
    }
    // Not before that: to open a pipe is to wait for whoever writes to it.
    if !metadata.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    let file = dir
        .open(path)
        .map_err(|error| unreadable(path, &error, Some(&metadata)))?;
    if metadata.len() == 0 {
        return Err(format!("{shown} is empty; look at the step that builds it"));
    }
    let mut start = [0; MAGIC.len()];
    match file.read_exact_at(&mut start, 0) {
        Ok(()) if start == *MAGIC => Ok((file, metadata.len())),
        Ok(()) => Err(not_an_app(path)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(not_an_app(path)),
        Err(error) => Err(unreadable(path, &error, Some(&metadata))),
    }
}

fn not_an_app(path: &Path) -> String {
    format!(
        "{} does not begin as an app does (with the bytes PK of a ZIP archive); look at the step \
         that builds or downloads it",
        path.display()
    )
}

/// Says why a file cannot be read. Root became somebody else before, so it says who, and whose the file is.
fn unreadable(path: &Path, error: &io::Error, metadata: Option<&Metadata>) -> String {
    let shown = path.display();
    if error.kind() != io::ErrorKind::PermissionDenied {
        return format!("{shown} cannot be read ({error})");
    }
    // What the system says has a number; what cap-std says has none.
    if error.raw_os_error().is_none() {
        return format!("{shown} is a link that leads out of the workspace; give the file itself");
    }
    let whose = match metadata {
        Some(metadata) => format!(
            "it belongs to uid {} and has the mode {:04o}",
            metadata.uid(),
            metadata.mode() & 0o7777
        ),
        None => "a folder above it does not let others in".to_owned(),
    };
    format!(
        "{shown} cannot be read: {whose}, and {}; let everybody read it, for instance with \
         chmod -R a+rX",
        us()
    )
}

/// Who we are by now.
fn us() -> String {
    format!(
        "this step runs as uid {} (started as root, it becomes the owner of the workspace, or nobody \
         where that is root)",
        rustix::process::geteuid().as_raw()
    )
}

/// Finds the one path that exists by this name, or that the glob matches.
fn one_of(dir: &Dir, pattern: &Path) -> Result<PathBuf, String> {
    // A name with brackets in it is a name first. Where we may not look, whoever opens it says why.
    match dir.symlink_metadata(pattern) {
        Ok(_) => return Ok(pattern.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(pattern.to_owned());
        }
        Err(_) => {}
    }
    let mut parts = Vec::new();
    for part in pattern.iter().map(|part| part.to_string_lossy()) {
        let part = Part::of(&part)
            .map_err(|error| format!("{} is not a glob ({error})", pattern.display()))?;
        // Several of them in a row match what one does, in many more ways.
        if !matches!((&part, parts.last()), (Part::Folders, Some(Part::Folders))) {
            parts.push(part);
        }
    }
    let mut walk = Walk {
        dir,
        found: BTreeSet::new(),
        closed: BTreeSet::new(),
    };
    walk.expand(Path::new(""), &parts);
    let mut found: Vec<PathBuf> = walk.found.into_iter().collect();
    // A folder stands in nobody's way where there is a file too.
    let is_folder = |path: &PathBuf| dir.metadata(path).is_ok_and(|found| found.is_dir());
    if found.iter().any(|path| !is_folder(path)) {
        found.retain(|path| !is_folder(path));
    }
    let shown = pattern.display();
    match &found[..] {
        [path] => Ok(path.clone()),
        [] if walk.closed.is_empty() => Err(format!(
            "nothing matches {shown} below the workspace{}",
            instead(dir)
        )),
        [] => Err(format!(
            "nothing matches {shown} below the workspace, and these folders may not be read: {}; {}",
            listed(walk.closed.iter()),
            us()
        )),
        [..] => Err(format!(
            "{shown} matches {} files; name exactly one of: {}",
            found.len(),
            listed(found.iter())
        )),
    }
}

/// What there is to be uploaded instead.
fn instead(dir: &Dir) -> String {
    let mut walk = Walk {
        dir,
        found: BTreeSet::new(),
        closed: BTreeSet::new(),
    };
    for extension in ["apk", "ipa"] {
        if let Ok(name) = Pattern::new(&format!("*.{extension}")) {
            walk.expand(Path::new(""), &[Part::Folders, Part::Name(name)]);
        }
    }
    if walk.found.is_empty() {
        "; there is no .apk and no .ipa at all: look at the step that builds it".to_owned()
    } else {
        format!("; there is: {}", listed(walk.found.iter()))
    }
}

fn listed<'a>(paths: impl ExactSizeIterator<Item = &'a PathBuf>) -> String {
    let more = paths.len().saturating_sub(MOST_LISTED);
    let mut list: Vec<String> = paths
        .take(MOST_LISTED)
        .map(|path| path.display().to_string())
        .collect();
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list.join(", ")
}

/// One part of a glob, between slashes.
enum Part {
    /// `**`: folders, however many.
    Folders,
    Name(Pattern),
}

impl Part {
    fn of(text: &str) -> Result<Self, glob::PatternError> {
        if text == "**" {
            Ok(Self::Folders)
        } else {
            Pattern::new(text).map(Self::Name)
        }
    }
}

struct Walk<'a> {
    dir: &'a Dir,
    found: BTreeSet<PathBuf>,
    /// Folders that may not be read.
    closed: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    fn expand(&mut self, at: &Path, parts: &[Part]) {
        let [first, rest @ ..] = parts else {
            self.found.insert(at.to_owned());
            return;
        };
        let deep = matches!(first, Part::Folders);
        if deep && !rest.is_empty() {
            self.expand(at, rest);
        }
        for (path, is_dir) in self.entries(at) {
            match first {
                // Links to folders are not followed here: they could lead round in circles.
                Part::Folders if is_dir => self.expand(&path, parts),
                Part::Folders if rest.is_empty() => self.expand(&path, rest),
                Part::Name(name)
                    if path
                        .file_name()
                        .is_some_and(|file| name.matches(&file.to_string_lossy())) =>
                {
                    self.expand(&path, rest);
                }
                Part::Folders | Part::Name(_) => {}
            }
        }
    }

    /// The entries of a folder, and whether each is a folder itself; none where there is no such folder.
    fn entries(&mut self, at: &Path) -> Vec<(PathBuf, bool)> {
        let place = if at.as_os_str().is_empty() {
            Path::new(".")
        } else {
            at
        };
        match self.dir.read_dir(place) {
            Ok(entries) => entries
                .flatten()
                .map(|entry| {
                    let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                    (at.join(entry.file_name()), is_dir)
                })
                .collect(),
            Err(error) => {
                if error.raw_os_error().is_some() && error.kind() == io::ErrorKind::PermissionDenied
                {
                    self.closed.insert(at.to_owned());
                }
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const APP: &[u8] = b"PK\x03\x04 and the rest of the archive";

    /// A workspace with these files; a name that ends with a slash is a folder.
    fn workspace(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            if name.ends_with('/') {
                fs::create_dir_all(path).expect("a folder");
            } else {
                fs::write(path, bytes).expect("a file");
            }
        }
        folder
    }

    fn find(folder: &tempfile::TempDir, pattern: &str) -> Result<AppFile, Vec<String>> {
        let dir = Dir::open_ambient_dir(folder, cap_std::ambient_authority()).expect("the folder");
        AppFile::find(&dir, Path::new(pattern))
    }

    fn found(folder: &tempfile::TempDir, pattern: &str) -> Result<String, Vec<String>> {
        find(folder, pattern).map(|app| app.path())
    }

    #[test]
    fn a_path_or_a_glob_names_one_file() {
        let folder = workspace(&[
            ("out/debug/app-debug.apk", APP),
            ("out/release/app-release.apk", APP),
            ("out/release/App.IPA", APP),
            ("out/release/output-metadata.json", b"{}"),
            ("out/release/old.apk/", b""),
            ("out/[arm64].apk", APP),
            (".hidden/x/deep.ipa", APP),
        ]);
        symlink("release", folder.path().join("out/latest")).expect("a link");
        symlink("..", folder.path().join("out/release/round")).expect("a link");
        for (pattern, expected, why) in [
            (
                "out/debug/app-debug.apk",
                "out/debug/app-debug.apk",
                "a path",
            ),
            (
                "out/release/*.apk",
                "out/release/app-release.apk",
                "a glob, past a folder of such a name",
            ),
            ("out/*/app-rel*.apk", "", "through a link as well"),
            (
                "out/rel*/app-????ase.apk",
                "out/release/app-release.apk",
                "in folder and file",
            ),
            (
                "**/App.IPA",
                "out/release/App.IPA",
                "however deep, links to folders aside",
            ),
            (
                "**/**/*debug.apk",
                "out/debug/app-debug.apk",
                "stars in a row",
            ),
            (
                "out/**/app-debug.apk",
                "out/debug/app-debug.apk",
                "below a folder",
            ),
            (
                "out/latest/*.IPA",
                "out/latest/App.IPA",
                "through a link that is named",
            ),
            ("out/[arm64].apk", "out/[arm64].apk", "a name with brackets"),
            ("out/[a-z]*.apk", "", "a class"),
            ("**/deep.*", ".hidden/x/deep.ipa", "in a hidden folder"),
        ] {
            let found = found(&folder, pattern);

            assert_eq!(
                found.as_deref().unwrap_or_default(),
                expected,
                "{why}: {found:?}"
            );
        }
    }

    #[test]
    fn none_or_several_files_are_listed() {
        let folder = workspace(&[("a/1.apk", APP), ("a/2.apk", APP), ("b/3.ipa", APP)]);
        for (pattern, words, why) in [
            (
                "a/*.apk",
                &["matches 2 files", "a/1.apk, a/2.apk"][..],
                "several",
            ),
            (
                "**/*",
                &["matches 3 files", "b/3.ipa"],
                "several, however deep",
            ),
            (
                "c/*.apk",
                &[
                    "nothing matches c/*.apk",
                    "there is: a/1.apk, a/2.apk, b/3.ipa",
                ],
                "none",
            ),
            (
                "a/3.apk",
                &["nothing matches a/3.apk", "there is: "],
                "a misspelt path",
            ),
            ("a/[1.apk", &["is not a glob"], "a bracket that stays open"),
        ] {
            let problems = found(&folder, pattern).expect_err(why);

            assert_eq!(problems.len(), 1, "{why}");
            for word in words {
                assert!(problems[0].contains(word), "{why}: {problems:?}");
            }
        }
        let empty = workspace(&[("readme.md", b"x")]);
        let problems = found(&empty, "*.apk").expect_err("nothing");
        assert!(
            problems[0].contains("no .apk and no .ipa at all"),
            "{problems:?}"
        );
        let names: Vec<String> = (0..12).map(|n| format!("{n}.apk")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), APP)).collect();
        let problems = found(&workspace(&files), "*.apk").expect_err("many");
        assert!(problems[0].ends_with("and 2 more"), "{problems:?}");
    }

    #[test]
    fn what_is_no_app_is_refused() {
        let outside = workspace(&[("secret.apk", APP)]);
        let folder = workspace(&[
            ("empty.apk", b""),
            ("page.apk", b"<html>"),
            ("two.apk", b"PK"),
            ("notes.txt", APP),
            ("notes.md", b"hello"),
            ("app.aab", APP),
            ("none", APP),
            ("folder.apk/", b""),
        ]);
        let secret = outside.path().join("secret.apk");
        symlink(&secret, folder.path().join("link.apk")).expect("a link");
        symlink("nowhere", folder.path().join("broken.apk")).expect("a link");
        symlink(outside.path(), folder.path().join("out")).expect("a link");
        let pipe = folder.path().join("pipe.apk");
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.expect("mkfifo").success());
        for (pattern, words, why) in [
            ("empty.apk", &["is empty"][..], "empty"),
            (
                "page.apk",
                &["does not begin as an app does"],
                "a page that was downloaded",
            ),
            ("two.apk", &["does not begin as an app does"], "cut short"),
            (
                "notes.txt",
                &["neither an .apk nor an .ipa"],
                "another kind",
            ),
            (
                "none",
                &["neither an .apk nor an .ipa"],
                "without an extension",
            ),
            (
                "notes.md",
                &["neither an .apk", "does not begin"],
                "two things at once",
            ),
            (
                "app.aab",
                &["bundletool build-apks --mode=universal"],
                "a bundle",
            ),
            ("folder.apk", &["is a folder"], "a folder"),
            ("fold*.apk", &["is a folder"], "a folder by a glob"),
            (
                "pipe.apk",
                &["is not a file"],
                "a pipe, without waiting for its writer",
            ),
            (
                "link.apk",
                &["leads out of the workspace"],
                "a link that leads out",
            ),
            (
                "li*.apk",
                &["leads out of the workspace"],
                "the same by a glob",
            ),
            (
                "out/secret.apk",
                &["leads out of the workspace"],
                "a folder that leads out",
            ),
            (
                "out/*.apk",
                &["leads out of the workspace"],
                "the same by a glob",
            ),
            (
                "broken.apk",
                &["cannot be read"],
                "a link that leads nowhere",
            ),
        ] {
            let problems = found(&folder, pattern).expect_err(why);

            assert_eq!(problems.len(), words.len(), "{why}: {problems:?}");
            for (problem, word) in problems.iter().zip(words) {
                assert!(problem.contains(word), "{why}: {problem}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_is_read_whole_each_time_and_its_digests_are_those_of_the_bytes() {
        let mut bytes = APP.to_vec();
        bytes.resize(3 * PIECE + 7, 1);
        let mut hasher = Hasher::new();
        hasher.update(&bytes);
        let expected = hasher.finish();
        let folder = workspace(&[("app.apk", &bytes)]);
        let app = find(&folder, "app.apk").expect("the app");

        let broken_off = app.read();
        drop(broken_off.pieces);
        let mut reading = app.read();
        let mut read = Vec::new();
        while let Some(piece) = reading.pieces.recv().await {
            read.extend_from_slice(&piece.expect("a piece"));
        }

        assert_eq!(app.size(), bytes.len() as u64);
        assert_eq!(read, bytes);
        let whole = reading
            .digests
            .await
            .expect("the reader")
            .expect("the file");
        assert_eq!(whole, Some(expected.clone()));
        let part = broken_off
            .digests
            .await
            .expect("the reader")
            .expect("the file");
        assert_eq!(part, None, "nobody took it to its end");
        assert_eq!(app.digests().await.expect("the file"), expected);
    }

    #[tokio::test]
    async fn a_file_that_becomes_shorter_meanwhile_is_an_error() {
        let folder = workspace(&[("app.apk", APP)]);
        let app = find(&folder, "app.apk").expect("the app");
        fs::write(folder.path().join("app.apk"), b"PK").expect("shorter");

        let mut reading = app.read();

        let mut pieces = Vec::new();
        while let Some(piece) = reading.pieces.recv().await {
            pieces.push(piece.is_ok());
        }
        assert_eq!(pieces, [true, false]);
        assert!(reading.digests.await.expect("the reader").is_err());
    }
}
