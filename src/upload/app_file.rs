//! Which file is uploaded? The one that a path or a glob names, below the workspace or `RUNNER_TEMP`.
//!
//! It is found and opened through these folders, so that no link and no `..` leads out of them. This happens before
//! root is given up, so the search must not start a thread: it yields after each folder instead.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, FileExt as _, MetadataExt as _};
use futures_util::stream::{self, StreamExt as _};
use glob::{MatchOptions, Pattern};
use icu_normalizer::ComposingNormalizerBorrowed;
use md5::{Digest as _, Md5};
use tokio::task::{spawn_blocking, yield_now};

use crate::sofy::upload::Pieces;

/// What an app archive begins with: that of ZIP.
const MAGIC: &[u8; 4] = b"PK\x03\x04";

/// Large enough for few system calls, small enough that a handful of them are nothing.
const PIECE: usize = 256 * 1024;

/// The most paths that an error lists: enough to see what went wrong.
const MOST_LISTED: usize = 10;

/// As in a shell: a star stops at a slash, and matches no hidden file such as `._app.apk` of macOS.
const AS_IN_A_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// An app, open for reading.
#[derive(Clone, Debug)]
pub(crate) struct AppFile {
    /// Relative to its folder.
    path: PathBuf,
    state: FileState,
    file: Arc<File>,
}

/// What shows that a file was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// How many bytes of the file the connection has taken.
#[derive(Debug, Default)]
pub(crate) struct Sent(Arc<AtomicU64>);

impl Sent {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Finds the one app that a path or a glob names below one of the folders, or says everything that is wrong with it.
///
/// A relative path is relative to the first folder.
pub(crate) async fn find(folders: &[PathBuf], app_path: &Path) -> Result<AppFile, Vec<String>> {
    let (dir, path) = below(folders, app_path).map_err(|problem| vec![problem])?;
    let path = one_of(&dir, path).await.map_err(|problem| vec![problem])?;
    let mut problems: Vec<String> = name_problem(&path).into_iter().collect();
    match open(&dir, path) {
        Ok(app) if problems.is_empty() => return Ok(app),
        Ok(_) => {}
        Err(problem) => problems.push(problem),
    }
    Err(problems)
}

impl AppFile {
    /// The path relative to its folder, for people.
    pub(crate) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// The name without folders, for Sofy.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(crate) const fn size(&self) -> u64 {
        self.state.size
    }

    /// Reads the file from its start, as fast as the pieces are taken; the rest is an error once `sent` is dropped.
    pub(crate) fn pieces(&self, sent: &Sent) -> Pieces {
        let taken = Arc::downgrade(&sent.0);
        stream::try_unfold((self.clone(), 0), move |(app, at)| {
            // Whoever asks for the next piece has taken those before it.
            let is_wanted = taken
                .upgrade()
                .map(|taken| taken.store(at, Ordering::Relaxed));
            async move {
                is_wanted.ok_or_else(|| io::Error::other("the attempt is over"))?;
                if at == app.size() {
                    return Ok(None);
                }
                let (piece, app) = spawn_blocking(move || app.piece(at).map(|piece| (piece, app)))
                    .await
                    .map_err(io::Error::other)??;
                let next = at + piece.len() as u64;
                Ok(Some((piece, (app, next))))
            }
        })
        .boxed()
    }

    /// Each read gives its position, because an earlier attempt may still be reading.
    fn piece(&self, at: u64) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(self.size() - at).unwrap_or(usize::MAX);
        let mut piece = vec![0; PIECE.min(rest)];
        self.file.read_exact_at(&mut piece, at)?;
        Ok(piece)
    }

    /// Reads the file for its MD5 in lower-case hexadecimal: what Sofy lists a build by.
    pub(crate) async fn md5(&self) -> io::Result<String> {
        let app = self.clone();
        let read = move || {
            let (mut md5, mut at) = (Md5::new(), 0);
            while at < app.size() {
                let piece = app.piece(at)?;
                at += piece.len() as u64;
                md5.update(&piece);
            }
            Ok(format!(
                "{:032x}",
                u128::from_be_bytes(md5.finalize().into())
            ))
        };
        spawn_blocking(read).await.map_err(io::Error::other)?
    }

    /// Fails if the file was written to after it was found.
    pub(crate) fn check_unchanged(&self) -> Result<(), String> {
        match FileState::of(&self.file) {
            Ok(now) if now == self.state => Ok(()),
            Ok(now) if now.size != self.state.size => Err(format!(
                "its size was {} bytes and is now {}",
                self.state.size, now.size
            )),
            Ok(_) => Err("its modification time is another".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl FileState {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// Opens the folder that contains a path, and makes the path relative to it.
///
/// Both may be written through symbolic links: only if they differ as written, they are compared as they really are.
fn below(folders: &[PathBuf], app_path: &Path) -> Result<(Dir, PathBuf), String> {
    let folders: Vec<PathBuf> = folders
        .iter()
        .filter_map(|folder| std::path::absolute(folder).ok())
        .collect();
    let path = normalized(
        &folders
            .first()
            .map(|first| first.join(app_path))
            .unwrap_or_default(),
    );
    let real = path
        .ancestors()
        .find_map(|above| {
            let rest = path.strip_prefix(above).ok()?;
            Some(above.canonicalize().ok()?.join(rest))
        })
        .unwrap_or_default();
    for folder in &folders {
        let written = path.strip_prefix(folder).ok();
        let really = || real.strip_prefix(folder.canonicalize().ok()?).ok();
        if let Some(inside) = written.or_else(really) {
            return match Dir::open_ambient_dir(folder, ambient_authority()) {
                Ok(dir) => Ok((dir, inside.to_owned())),
                Err(error) => Err(format!("{} cannot be opened ({error})", folder.display())),
            };
        }
    }
    Err(format!(
        "{} is outside the workspace and RUNNER_TEMP; give a path below one of them",
        app_path.display()
    ))
}

/// Resolves `.` and `..` as they are written.
fn normalized(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => plain.push(part),
        }
    }
    plain
}

/// Finds the one path that exists by this name, or that the glob matches.
async fn one_of(dir: &Dir, path: PathBuf) -> Result<PathBuf, String> {
    let shown = path.display().to_string();
    // A name with brackets in it is a name first. If it may not be looked at, opening it says why.
    match dir.symlink_metadata(&path) {
        Ok(_) => return Ok(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(path),
        Err(_) => {}
    }
    let glob = Pattern::new(&shown).map_err(|error| format!("{shown} is not a glob ({error})"))?;
    let is_literal = |part: &&OsStr| !part.to_string_lossy().contains(['*', '?', '[']);
    let base: PathBuf = path.iter().take_while(is_literal).collect();
    let depth = match shown.contains("**") {
        true => usize::MAX,
        false => path.iter().count() - base.iter().count(),
    };
    let mut found = Walk::default();
    found
        .below(dir, base, depth, |file| {
            glob.matches_path_with(file, AS_IN_A_SHELL)
        })
        .await;
    match &found.files[..] {
        [file] => return Ok(file.clone()),
        [] => {}
        files => {
            let (n, list) = (files.len(), list(files));
            return Err(format!(
                "{shown} matches {n} files; name exactly one of: {list}"
            ));
        }
    }
    let mut problem = format!("nothing matches {shown}");
    if !found.closed.is_empty() {
        let closed = list(&found.closed);
        problem.push_str(&format!(", and these folders cannot be read: {closed}; let everybody read them, for example with chmod -R a+rX"));
    }
    let mut apps = Walk::default();
    apps.below(dir, PathBuf::new(), usize::MAX, is_app).await;
    Err(format!("{problem}; {}", instead(&shown, &apps.files)))
}

/// Says what can be uploaded instead.
fn instead(glob: &str, apps: &[PathBuf]) -> String {
    let composed = |text: &str| {
        ComposingNormalizerBorrowed::new_nfc()
            .normalize(text)
            .into_owned()
    };
    let looks_alike = |glob: Pattern| {
        let alike =
            |app: &&PathBuf| glob.matches_with(&composed(&app.to_string_lossy()), AS_IN_A_SHELL);
        apps.iter().find(alike)
    };
    if let Some(app) = Pattern::new(&composed(glob)).ok().and_then(looks_alike) {
        return format!(
            "{} only looks the same: it is written in another Unicode normal form; put a * in place of its accented letters",
            app.display()
        );
    }
    match apps {
        [] => "there is no .apk and no .ipa file at all: check the step that builds it".to_owned(),
        apps => format!("there is: {}", list(apps)),
    }
}

fn list(paths: &[PathBuf]) -> String {
    let mut list: Vec<String> = paths
        .iter()
        .take(MOST_LISTED)
        .map(|path| path.display().to_string())
        .collect();
    if let more @ 1.. = paths.len().saturating_sub(MOST_LISTED) {
        list.push(format!("and {more} more"));
    }
    list.join(", ")
}

/// Files that were found, and folders that cannot be read.
#[derive(Default)]
struct Walk {
    files: Vec<PathBuf>,
    closed: Vec<PathBuf>,
}

impl Walk {
    /// Collects the files below a folder, at most so deep. Links to folders could lead round in circles.
    async fn below(
        &mut self,
        dir: &Dir,
        base: PathBuf,
        depth: usize,
        is_wanted: impl Fn(&Path) -> bool,
    ) {
        let mut folders = vec![(base, depth)];
        while let Some((folder, depth)) = folders.pop() {
            yield_now().await;
            let place = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &folder
            };
            let entries = match dir.read_dir(place) {
                Ok(entries) => entries,
                Err(error) => {
                    if error.kind() == io::ErrorKind::PermissionDenied {
                        self.closed.push(folder);
                    }
                    continue;
                }
            };
            for entry in entries.flatten() {
                let path = folder.join(entry.file_name());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    if depth > 1 {
                        folders.push((path, depth - 1));
                    }
                } else if is_wanted(&path)
                    && !dir.metadata(&path).is_ok_and(|target| target.is_dir())
                {
                    self.files.push(path);
                }
            }
        }
        self.files.sort();
    }
}

fn is_app(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["apk", "ipa"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// Says what is wrong with the name of a file.
fn name_problem(path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default();
    if name.to_string_lossy().contains(char::is_control) {
        return Some(format!(
            "the name {name:?} contains a control character; rename the file"
        ));
    }
    if is_app(path) {
        return None;
    }
    let shown = path.display();
    Some(
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("aab"))
        {
            format!(
                "{shown} is an Android App Bundle, and Sofy accepts only APKs; make one with bundletool build-apks --mode=universal"
            )
        } else {
            format!("{shown} is neither an .apk nor an .ipa file, and Sofy accepts nothing else")
        },
    )
}

/// Opens a file that may be an app.
fn open(dir: &Dir, path: PathBuf) -> Result<AppFile, String> {
    let shown = path.display().to_string();
    let unreadable = |error: io::Error| match (error.kind(), error.raw_os_error()) {
        // What the system reports has a number; what cap-std reports has none.
        (io::ErrorKind::PermissionDenied, None) => {
            format!(
                "{shown} is a link to a file elsewhere; give that file itself, below the workspace or RUNNER_TEMP"
            )
        }
        (io::ErrorKind::PermissionDenied, Some(_)) => {
            format!(
                "{shown} cannot be read ({error}); let everybody read it, for example with chmod -R a+rX"
            )
        }
        _ => format!("{shown} cannot be read ({error})"),
    };
    let metadata = dir.metadata(&path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(format!("{shown} is a folder; give the file inside it"));
    }
    // Not before that: to open a pipe is to wait for whoever writes to it.
    if !metadata.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    let file = dir.open(&path).map_err(unreadable)?;
    let state = FileState::of(&file).map_err(unreadable)?;
    let mut start = [0; MAGIC.len()];
    match file.read_exact_at(&mut start, 0) {
        _ if state.size == 0 => Err(format!("{shown} is empty; check the step that builds it")),
        Ok(()) if start == *MAGIC => Ok(AppFile {
            path,
            state,
            file: Arc::new(file),
        }),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(unreadable(error)),
        Ok(()) | Err(_) => Err(format!(
            "{shown} does not begin as an app does (with the bytes PK of a ZIP archive); check the step that builds or downloads it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt as _;
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

    async fn find(folder: &Path, app_path: &str) -> Result<AppFile, Vec<String>> {
        super::find(&[folder.to_owned()], Path::new(app_path)).await
    }

    async fn found(folder: &tempfile::TempDir, app_path: &str) -> Result<String, Vec<String>> {
        find(folder.path(), app_path).await.map(|app| app.path())
    }

    #[tokio::test]
    async fn a_path_or_a_glob_names_one_file() {
        let folder = workspace(&[
            ("out/debug/app-debug.apk", APP),
            ("out/release/app-release.apk", APP),
            ("out/release/App.IPA", APP),
            ("out/release/output-metadata.json", b"{}"),
            ("out/release/old.apk/", b""),
            ("out/[arm64].apk", APP),
            (".hidden/x/deep.ipa", APP),
            ("mac/app.apk", APP),
            ("mac/._app.apk", APP),
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
            (
                "out/*/app-rel*.apk",
                "out/release/app-release.apk",
                "not through a link as well, which would make it two",
            ),
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
            ("out/[[]*.apk", "out/[arm64].apk", "a class"),
            ("**/deep.*", "", "not in a hidden folder"),
            (
                ".*/**/deep.*",
                ".hidden/x/deep.ipa",
                "in a hidden folder that is named",
            ),
            (
                "mac/*.apk",
                "mac/app.apk",
                "past what macOS puts beside a file",
            ),
            (
                "mac/._*.apk",
                "mac/._app.apk",
                "a hidden file that is named",
            ),
            (
                "./out//debug/../debug/*.apk",
                "out/debug/app-debug.apk",
                "by a detour",
            ),
        ] {
            let found = found(&folder, pattern).await;

            assert_eq!(
                found.as_deref().unwrap_or_default(),
                expected,
                "{why}: {found:?}"
            );
        }
    }

    #[tokio::test]
    async fn none_or_several_files_are_listed() {
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
            let problems = found(&folder, pattern).await.expect_err(why);

            assert_eq!(problems.len(), 1, "{why}");
            for word in words {
                assert!(problems[0].contains(word), "{why}: {problems:?}");
            }
        }
        let empty = workspace(&[("readme.md", b"x")]);
        let problems = found(&empty, "*.apk").await.expect_err("nothing");
        assert!(
            problems[0].contains("no .apk and no .ipa file at all"),
            "{problems:?}"
        );
        let names: Vec<String> = (0..12).map(|n| format!("{n}.apk")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), APP)).collect();
        let problems = found(&workspace(&files), "*.apk").await.expect_err("many");
        assert!(problems[0].ends_with("and 2 more"), "{problems:?}");
    }

    #[tokio::test]
    async fn what_is_no_app_is_refused() {
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
            ("fold*.apk", &["nothing matches"], "a glob is for files"),
            (
                "pipe.apk",
                &["is not a file"],
                "a pipe, without waiting for its writer",
            ),
            (
                "link.apk",
                &["is a link to a file elsewhere"],
                "a link that leads out",
            ),
            (
                "li*.apk",
                &["is a link to a file elsewhere"],
                "the same by a glob",
            ),
            (
                "out/secret.apk",
                &["is a link to a file elsewhere"],
                "a folder that leads out",
            ),
            (
                "out/*.apk",
                &["is a link to a file elsewhere"],
                "the same by a glob",
            ),
            (
                "broken.apk",
                &["cannot be read"],
                "a link that leads nowhere",
            ),
        ] {
            let problems = found(&folder, pattern).await.expect_err(why);

            assert_eq!(problems.len(), words.len(), "{why}: {problems:?}");
            for (problem, word) in problems.iter().zip(words) {
                assert!(problem.contains(word), "{why}: {problem}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_is_read_whole_each_time_and_nobody_counts_what_nobody_took() {
        let mut bytes = APP.to_vec();
        bytes.resize(3 * PIECE + 7, 1);
        let folder = workspace(&[("app.apk", &bytes)]);
        let app = find(folder.path(), "app.apk").await.expect("the app");

        let (broken_off, sent) = (Sent::default(), Sent::default());
        let mut first = app.pieces(&broken_off);
        first.next().await.expect("a piece").expect("bytes");
        let read: Vec<u8> = app.pieces(&sent).try_concat().await.expect("the file");

        assert_eq!(read, bytes);
        assert_eq!(
            (app.size(), sent.bytes()),
            (bytes.len() as u64, bytes.len() as u64)
        );
        assert_eq!(
            broken_off.bytes(),
            0,
            "a piece counts once the next is asked for"
        );
        drop(broken_off);
        assert!(
            first.next().await.expect("an end").is_err(),
            "nobody waits for the rest"
        );
        let md5 = Md5::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        assert_eq!(app.md5().await.expect("the file"), md5);
    }

    #[tokio::test]
    async fn a_file_that_becomes_shorter_meanwhile_is_an_error() {
        let folder = workspace(&[("app.apk", APP)]);
        let app = find(folder.path(), "app.apk").await.expect("the app");
        fs::write(folder.path().join("app.apk"), b"PK").expect("shorter");

        let sent = Sent::default();
        let read: io::Result<Vec<u8>> = app.pieces(&sent).try_concat().await;

        assert_eq!(
            read.expect_err("too short").kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert!(app.md5().await.is_err());
        assert!(app.check_unchanged().is_err());
    }

    #[tokio::test]
    async fn each_folder_may_be_written_through_a_link_or_as_it_is() {
        let (real, temporary) = (
            workspace(&[("out/app.apk", APP)]),
            workspace(&[("export/app.ipa", APP)]),
        );
        let links = tempfile::tempdir().expect("a folder");
        let link = links.path().join("work");
        symlink(real.path(), &link).expect("a link");
        let real_path = real.path().canonicalize().expect("a path");
        let outside = workspace(&[("app.apk", APP)]);
        let below = |folder: &Path, name: &str| folder.join(name).display().to_string();
        let export = temporary.path();
        for (workspace, app_path, expected, why) in [
            (
                &link,
                "out/*.apk".to_owned(),
                Some("out/app.apk"),
                "a relative path",
            ),
            (
                &link,
                below(&link, "out/*.apk"),
                Some("out/app.apk"),
                "as it is written",
            ),
            (
                &link,
                below(&real_path, "out/app.apk"),
                Some("out/app.apk"),
                "as it really is",
            ),
            (
                &real_path,
                below(&link, "*/app.apk"),
                Some("out/app.apk"),
                "through the link",
            ),
            (
                &link,
                below(export, "export/*.ipa"),
                Some("export/app.ipa"),
                "below RUNNER_TEMP",
            ),
            (
                &link,
                below(export, "export/app.ipa"),
                Some("export/app.ipa"),
                "a path below it",
            ),
            (
                &link,
                "export/app.ipa".to_owned(),
                None,
                "relative paths are not below it",
            ),
            (&link, below(outside.path(), "app.apk"), None, "elsewhere"),
            (&link, "../../app.apk".to_owned(), None, "above"),
        ] {
            let folders = [workspace.clone(), export.to_owned()];

            let found = super::find(&folders, Path::new(&app_path)).await;

            assert_eq!(
                found.ok().map(|app| app.path()).as_deref(),
                expected,
                "{why}: {app_path}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_that_only_looks_the_same_is_said_to_be_another() {
        let decomposed = "Pru\u{308}fung.apk";
        let folder = workspace(&[(decomposed, APP), ("A.APK", APP)]);
        for (app_path, words, why) in [
            (
                "Pr\u{fc}fung.apk",
                "another Unicode normal form",
                "one is composed",
            ),
            ("Pr\u{fc}*.apk", "another Unicode normal form", "by a glob"),
            ("B*.apk", "there is: A.APK", "another name"),
        ] {
            let problems = found(&folder, app_path).await.expect_err(why);

            assert!(problems[0].contains(words), "{why}: {problems:?}");
        }
        assert_eq!(found(&folder, decomposed).await.as_deref(), Ok(decomposed));
        let capitals = workspace(&[("A.APK", APP)]);
        let problems = found(&capitals, "*.apk").await.expect_err("another case");
        assert!(problems[0].ends_with("there is: A.APK"), "{problems:?}");
    }

    #[tokio::test]
    async fn a_control_character_in_a_name_is_an_error() {
        for name in [
            "a\r\nX-Evil: 1.apk",
            "a\tb.apk",
            "a\u{85}.apk",
            "\u{7f}.apk",
        ] {
            let folder = workspace(&[(name, APP)]);

            let problems = found(&folder, "*.apk").await.expect_err(name);

            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains("control character"), "{problems:?}");
            assert!(!problems[0].contains(char::is_control), "{problems:?}");
        }
        let plain = workspace(&[("Pr\u{fc}f \"1\" \\.apk", APP)]);
        assert!(
            found(&plain, "*.apk").await.is_ok(),
            "quotes, spaces and umlauts are none"
        );
    }

    #[tokio::test]
    async fn a_search_yields_after_each_folder_and_no_stars_make_it_slow() {
        let mut deep = PathBuf::new();
        for _ in 0..60 {
            deep.push("d");
        }
        let name = deep.join("app.ipa").display().to_string();
        let folder = workspace(&[(&name, APP)]);
        let search = found(&folder, "**/d/**/d/**/d/**/*/**/*.apk");
        let mut search = std::pin::pin!(search);
        let mut polls = 0;

        let problems = std::future::poll_fn(|context| {
            polls += 1;
            search.as_mut().poll(context)
        })
        .await
        .expect_err("no such file");

        assert!(problems[0].contains("there is: d/d/"), "{problems:?}");
        assert!(polls > 60, "{polls}");
    }
}
