//! Which file is uploaded? The one that a path or a glob names, below the workspace or `RUNNER_TEMP`.
//!
//! It is found and opened through these folders, so that no link and no `..` leads out of them. This happens before
//! root is given up, so the search must not start a thread: it yields after each folder instead.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf, absolute};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures_util::stream;
use glob::{MatchOptions, Pattern};
use md5::{Digest as _, Md5};
use reqwest::Body;
use reqwest::multipart::Part;
use tokio::task::{spawn_blocking, yield_now};

use crate::inputs::resolved;
use crate::text::{bytes, list};

/// What an app archive begins with: that of ZIP.
const MAGIC: &[u8; 4] = b"PK\x03\x04";

/// Large enough for few system calls, small enough that a handful of them are nothing.
const PIECE: usize = 256 * 1024;

/// Two normal forms of Unicode show the same.
const ALIKE: &str = ". A name that only looks the same is in another Unicode normal form: put a * in place of its \
    accented letters";

/// As in a shell: a star stops at a slash, and matches no hidden file such as `._app.apk` of macOS.
const AS_IN_A_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// An app, open for reading.
#[derive(Clone, Debug)]
pub(crate) struct AppFile {
    /// Relative to its folder, for people.
    pub(crate) path: String,
    pub(crate) size: u64,
    modified: SystemTime,
    file: Arc<File>,
}

impl AppFile {
    /// Finds the one app that a path or a glob names below one of two folders, or the first if the second is blank.
    ///
    /// A relative path is relative to the first folder.
    pub(crate) async fn find(folders: [&Path; 2], app_path: &Path) -> Result<Self, String> {
        let (dir, path) = below(folders, app_path)?;
        let path = one_of(&dir, path).await?;
        Self::open(&dir, &path)
    }

    /// Opens a file unless it cannot be an app.
    fn open(dir: &Dir, path: &Path) -> Result<Self, String> {
        let (shown, name) = (path.display().to_string(), name(path));
        if name.contains(char::is_control) {
            let why = format!("rename the file: its name {name:?} contains a control character");
            return Err(why);
        }
        if !is_app(path) {
            return Err(format!(
                "{shown} is neither an .apk nor an .ipa file, and Sofy accepts nothing else. An .aab becomes an .apk with \"bundletool build-apks --mode=universal\""
            ));
        }
        let unreadable = |error: io::Error| match error.raw_os_error() {
            Some(_) => format!("{shown} cannot be read ({error})"),
            // What cap-std refuses has no number.
            None => format!("{shown} is a link to a file elsewhere. Give the path of that file"),
        };
        // Before it is opened, because to open a pipe is to wait for whoever writes to it.
        if !dir.metadata(path).map_err(unreadable)?.is_file() {
            return Err(format!("{shown} is not a file"));
        }
        let file = dir.open(path).map_err(unreadable)?.into_std();
        let (size, modified) = state(&file).map_err(unreadable)?;
        let mut start = [0; MAGIC.len()];
        file.read_at(&mut start, 0).map_err(unreadable)?;
        if start != *MAGIC {
            return Err(format!(
                "{shown} ({}) does not begin as an app does (with the bytes PK of a ZIP archive). Check the step that builds or downloads it",
                bytes(size)
            ));
        }
        Ok(Self {
            path: shown,
            size,
            modified,
            file: Arc::new(file),
        })
    }

    /// The file as a part of a form, read from its start as fast as it is taken; `sent` counts the bytes.
    ///
    /// Once the caller drops `sent`, the rest is an error: after an early answer, the connection would send it in the
    /// background.
    pub(crate) fn part(&self, sent: &Arc<AtomicU64>) -> Part {
        let sent = Arc::downgrade(sent);
        let pieces = stream::try_unfold((self.clone(), 0), move |(app, at)| {
            // Whoever asks for the next piece has taken those before it.
            let is_wanted = sent.upgrade().map(|sent| sent.store(at, Ordering::Relaxed));
            async move {
                is_wanted.ok_or_else(|| io::Error::other("the attempt is over"))?;
                if at == app.size {
                    return Ok::<_, io::Error>(None);
                }
                let read = spawn_blocking(move || app.piece(at).map(|piece| (piece, app)));
                let (piece, app) = read.await.map_err(io::Error::other)??;
                let next = at + piece.len() as u64;
                Ok(Some((piece, (app, next))))
            }
        });
        Part::stream_with_length(Body::wrap_stream(pieces), self.size)
            .file_name(name(Path::new(&self.path)))
    }

    /// Reads at a position of its own, because an earlier attempt may still be reading.
    fn piece(&self, at: u64) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(self.size - at).unwrap_or(usize::MAX);
        let mut piece = vec![0; PIECE.min(rest)];
        self.file.read_exact_at(&mut piece, at)?;
        Ok(piece)
    }

    /// Reads the file for its MD5 in lower-case hexadecimal: what Sofy lists a build by.
    pub(crate) async fn md5(&self) -> io::Result<String> {
        let app = self.clone();
        let read = move || {
            let (mut md5, mut at) = (Md5::new(), 0);
            while at < app.size {
                let piece = app.piece(at)?;
                at += piece.len() as u64;
                md5.update(&piece);
            }
            app.check_unchanged()?;
            let digest = u128::from_be_bytes(md5.finalize().into());
            Ok(format!("{digest:032x}"))
        };
        spawn_blocking(read).await.map_err(io::Error::other)?
    }

    /// Fails if the file was written to after it was found.
    pub(crate) fn check_unchanged(&self) -> io::Result<()> {
        if state(&self.file)? == (self.size, self.modified) {
            return Ok(());
        }
        Err(io::Error::other("its size or modification time changed"))
    }
}

/// What shows that a file was written to: its size and modification time.
fn state(file: &File) -> io::Result<(u64, SystemTime)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified()?))
}

/// The name without folders.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn is_app(path: &Path) -> bool {
    let name = name(path).to_lowercase();
    name.ends_with(".apk") || name.ends_with(".ipa")
}

/// Opens the folder that contains a path, and makes the path relative to it.
///
/// Both may be written through symbolic links: only if they differ as written, they are compared as they really are.
fn below(folders: [&Path; 2], app_path: &Path) -> Result<(Dir, PathBuf), String> {
    let written = absolute(folders[0].join(app_path)).unwrap_or_default();
    let mut path = PathBuf::new();
    for part in written.components() {
        match part {
            Component::ParentDir => _ = path.pop(),
            part => path.push(part),
        }
    }
    let real = resolved(&path);
    for folder in folders.iter().filter_map(|folder| absolute(folder).ok()) {
        let inside = path.strip_prefix(&folder);
        let inside = inside.or_else(|_| real.strip_prefix(resolved(&folder)));
        if let Ok(inside) = inside {
            let dir = Dir::open_ambient_dir(&folder, ambient_authority())
                .map_err(|error| format!("{} cannot be opened ({error})", folder.display()))?;
            return Ok((dir, inside.to_owned()));
        }
    }
    let path = app_path.display();
    let why = format!("{path} is outside the workspace and RUNNER_TEMP. Move it into one of them");
    Err(why)
}

/// Finds the one path that exists by this name, or that the glob matches.
async fn one_of(dir: &Dir, path: PathBuf) -> Result<PathBuf, String> {
    // A name with brackets in it is a name first. If it may not be looked at, opening it says why.
    match dir.symlink_metadata(&path) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {}
        Ok(_) | Err(_) => return Ok(path),
    }
    let shown = path.display().to_string();
    let glob = Pattern::new(&shown).map_err(|error| format!("{shown} is not a glob ({error})"))?;
    let is_literal = |part: &&OsStr| !part.to_string_lossy().contains(['*', '?', '[']);
    let base = path.iter().take_while(is_literal).collect();
    let matches = |file: &Path| glob.matches_path_with(file, AS_IN_A_SHELL);
    // Enough to see what went wrong.
    let named = |files: &[PathBuf]| list(files.iter().map(|file| file.display()));
    match &files(dir, base, matches).await[..] {
        [file] => return Ok(file.clone()),
        [] => {}
        many => {
            let (n, names) = (many.len(), named(many));
            let why = format!("{shown} matches {n} files. Name exactly one of {names}");
            return Err(why);
        }
    }
    let instead = match &files(dir, PathBuf::new(), is_app).await[..] {
        [] => "There is no .apk or .ipa file at all. Check the step that builds it".to_owned(),
        apps => format!("There is only {}", named(apps)),
    };
    let alike = if shown.is_ascii() { "" } else { ALIKE };
    Err(format!("nothing matches {shown}. {instead}{alike}"))
}

/// Lists the files below a folder. Links to folders are not followed: they could lead round in circles.
async fn files(dir: &Dir, base: PathBuf, is_wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![base]);
    while let Some(folder) = folders.pop() {
        yield_now().await;
        let entries = match dir.read_dir(Path::new(".").join(&folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let folder = folder.display();
                tracing::warn!("the folder {folder} cannot be searched ({error})");
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if is_wanted(&path) && !dir.metadata(&path).is_ok_and(|target| target.is_dir()) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::log;
    use crate::tests::scripted::taken;
    use futures_util::{StreamExt as _, TryStreamExt as _};
    use reqwest::multipart::Form;
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

    async fn find(folder: &Path, app_path: &str) -> Result<AppFile, String> {
        AppFile::find([folder, Path::new("")], Path::new(app_path)).await
    }

    async fn found(folder: &tempfile::TempDir, app_path: &str) -> Result<String, String> {
        find(folder.path(), app_path).await.map(|app| app.path)
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_searched_is_a_warning_unless_it_is_gone() {
        let folder = workspace(&[("file", APP)]);
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).expect("a folder");
        for (base, warnings) in [("gone", 0), ("file", 1)] {
            let style = log::Style {
                debug: false,
                commands: false,
            };
            let _listening = log::tests::listening(style);

            let found = files(&dir, PathBuf::from(base), is_app).await;

            assert!(found.is_empty(), "{base}");
            let log = log::tests::taken_down();
            let words = "warning: the folder file cannot be searched";
            assert_eq!(log.matches(words).count(), warnings, "{base}: {log}");
            assert_eq!(log.lines().count(), warnings, "{base}: {log}");
        }
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
                &["matches 2 files", "a/1.apk and a/2.apk"][..],
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
                    "There is only a/1.apk, a/2.apk and b/3.ipa",
                ],
                "none",
            ),
            (
                "a/3.apk",
                &["nothing matches a/3.apk", "There is only "],
                "a misspelt path",
            ),
            ("a/[1.apk", &["is not a glob"], "a bracket that stays open"),
        ] {
            let problem = found(&folder, pattern).await.expect_err(why);

            for word in words {
                assert!(problem.contains(word), "{why}: {problem}");
            }
        }
        let empty = workspace(&[("readme.md", b"x")]);
        let problem = found(&empty, "*.apk").await.expect_err("nothing");
        assert!(problem.contains("no .apk or .ipa file at all"), "{problem}");
        let names: Vec<String> = (0..12).map(|n| format!("{n}.apk")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), APP)).collect();
        let problem = found(&workspace(&files), "*.apk").await.expect_err("many");
        assert!(problem.ends_with("and 7 more"), "{problem}");
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
        let no_app = "does not begin as an app does";
        let no_file = "is not a file";
        let neither = "neither an .apk nor an .ipa";
        let link = "is a link to a file elsewhere";
        for (pattern, words, why) in [
            ("empty.apk", "empty.apk (0 B) does not begin", "empty"),
            ("page.apk", no_app, "a page that was downloaded"),
            ("two.apk", no_app, "cut short"),
            ("notes.txt", neither, "another kind"),
            ("none", neither, "without an extension"),
            ("notes.md", neither, "another kind, whatever is in it"),
            (
                "app.aab",
                "bundletool build-apks --mode=universal",
                "a bundle",
            ),
            ("folder.apk", no_file, "a folder"),
            ("fold*.apk", "nothing matches", "a glob is for files"),
            (
                "pipe.apk",
                no_file,
                "a pipe, without waiting for its writer",
            ),
            ("link.apk", link, "a link that leads out"),
            ("li*.apk", link, "the same by a glob"),
            ("out/secret.apk", link, "a folder that leads out"),
            ("out/*.apk", link, "the same by a glob"),
            ("broken.apk", "cannot be read", "a link that leads nowhere"),
        ] {
            let problem = found(&folder, pattern).await.expect_err(why);

            assert!(problem.contains(words), "{why}: {problem}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_whole_each_time_and_nobody_counts_what_nobody_took() {
        let mut bytes = APP.to_vec();
        bytes.resize(3 * PIECE + 7, 1);
        let folder = workspace(&[("app.apk", &bytes)]);
        let app = find(folder.path(), "app.apk").await.expect("the app");

        let (broken_off, sent) = (Arc::default(), Arc::default());
        let mut first = Form::new()
            .part("file", app.part(&broken_off))
            .into_stream();
        // The head of the part, and then the file.
        first.next().await.expect("a head").expect("bytes");
        first.next().await.expect("a piece").expect("bytes");
        let read = taken(app.part(&sent)).await.expect("the file");

        assert!(read.windows(bytes.len()).any(|part| part == bytes));
        let taken_whole = sent.load(Ordering::Relaxed);
        assert_eq!((app.size, taken_whole), (bytes.len() as u64, app.size));
        let taken_once = broken_off.load(Ordering::Relaxed);
        assert_eq!(taken_once, 0, "a piece counts once the next is asked for");
        drop(broken_off);
        let rest: Result<Vec<_>, _> = first.try_collect().await;
        assert!(rest.is_err(), "nobody waits for the rest");
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

        let sent = Arc::default();
        let read = taken(app.part(&sent)).await;

        let error = read.expect_err("too short").message;
        assert_eq!(error, "failed to fill whole buffer");
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
            let folders = [workspace.as_path(), export];

            let found = AppFile::find(folders, Path::new(&app_path)).await;

            assert_eq!(
                found.ok().map(|app| app.path).as_deref(),
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
            ("B*.apk", "There is only A.APK", "another name"),
        ] {
            let problem = found(&folder, app_path).await.expect_err(why);

            assert!(problem.contains(words), "{why}: {problem}");
        }
        assert_eq!(found(&folder, decomposed).await.as_deref(), Ok(decomposed));
        let capitals = workspace(&[("A.APK", APP)]);
        let problem = found(&capitals, "*.apk").await.expect_err("another case");
        assert!(problem.ends_with("There is only A.APK"), "{problem}");
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

            let problem = found(&folder, "*.apk").await.expect_err(name);

            assert!(problem.contains("control character"), "{problem}");
            assert!(!problem.contains(char::is_control), "{problem}");
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

        let problem = std::future::poll_fn(|context| {
            polls += 1;
            search.as_mut().poll(context)
        })
        .await
        .expect_err("no such file");

        assert!(problem.contains("There is only d/d/"), "{problem}");
        assert!(polls > 60, "{polls}");
    }
}
