//! Notices that the configuration's file, or a file or folder that it names (a page's, a certificate, a signing key), was
//! changed.
//!
//! Looks at the files once a second instead of asking the system to tell: that sees a write, a file moved into place, a
//! swapped link (as Kubernetes does) and a network's file system alike. A file counts as changed when it looks different and
//! has looked so for one more look, so that nobody's half-written file is read. Each change is reported once, whatever
//! became of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a file looks like from outside; links are followed. `None`: it isn't there.
type Look = Option<([i64; 3], [i64; 4])>;

/// The files, and how they looked.
#[derive(Debug)]
pub struct Watch {
    /// Absent: there is no file, and only what is in use is watched.
    file: Option<PathBuf>,
    /// As they were when they were read last.
    read: Vec<(PathBuf, Look)>,
    last: Vec<(PathBuf, Look)>,
    /// What the file names, and how it looked then.
    named: (Look, Vec<PathBuf>),
}

impl Watch {
    /// Of a configuration's file, before it is read.
    pub fn of(file: Option<PathBuf>) -> Self {
        let mut watch = Self { file, read: Vec::new(), last: Vec::new(), named: (None, Vec::new()) };
        watch.note_read(Vec::new());
        watch
    }

    /// Whether there is something to read that wasn't read; says so once. `more` are further files and folders to look at
    /// that the file doesn't name itself.
    pub fn has_changed(&mut self, more: Vec<PathBuf>) -> bool {
        let now = self.looks(more);
        let is_still = now == self.last;
        self.last = now;
        // A file that is looked at for the first time was read together with the one that names it.
        let before = |path: &PathBuf| self.read.iter().find(|(read, _)| read == path).map(|(_, look)| look);
        let differs = self.last.iter().any(|(path, look)| before(path).is_some_and(|before| before != look));
        if is_still || !differs {
            self.read.clone_from(&self.last);
        }
        is_still && differs
    }

    /// The files are about to be read for another reason.
    pub fn note_read(&mut self, more: Vec<PathBuf>) {
        self.last = self.looks(more);
        self.read.clone_from(&self.last);
    }

    fn looks(&mut self, more: Vec<PathBuf>) -> Vec<(PathBuf, Look)> {
        let own = self.file.clone().map(|file| (look(&file), file));
        if let Some((now, file)) = &own
            && *now != self.named.0
        {
            self.named = (*now, named_in(file));
        }
        let mut files = [more, self.named.1.clone()].concat();
        files.sort();
        files.dedup();
        let within: Vec<PathBuf> = files.iter().flat_map(|folder| entries(folder)).collect();
        let files = files.into_iter().chain(within).map(|path| (path.clone(), look(&path)));
        files.chain(own.map(|(now, file)| (file, now))).collect()
    }
}

fn look(path: &Path) -> Look {
    let found = fs::metadata(path).ok()?;
    let numbers = [found.dev(), found.ino(), found.size()].map(u64::cast_signed);
    // The ctime shows a write that kept size and mtime.
    let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
    Some((numbers, times))
}

/// What is in a folder. A file that comes or goes changes the folder itself; one that is written over doesn't.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// What a file names, whatever else is wrong with it: a file that is missing may be put there later.
fn named_in(file: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string(file).ok().and_then(|text| text.parse::<toml::Table>().ok()).unwrap_or_default();
    let table = toml::Value::Table(table);
    let each = |value: &toml::Value, list: &str| value.get(list).and_then(toml::Value::as_array).cloned();
    let mut named: Vec<toml::Value> = Vec::new();
    for site in each(&table, "sites").unwrap_or_default() {
        let in_page = |name: &str| site.get("page").and_then(|page| page.get(name)).cloned();
        named.extend([site.get("template").cloned(), in_page("languages"), in_page("logo")].into_iter().flatten());
    }
    for listener in table.get("server").and_then(|server| each(server, "listeners")).unwrap_or_default() {
        let further = each(&listener, "certificates").unwrap_or_default();
        for files in listener.get("tls").into_iter().chain(&further) {
            named.extend([files.get("cert"), files.get("key")].into_iter().flatten().cloned());
        }
    }
    named.extend(table.get("tokens").and_then(|tokens| each(tokens, "signing_keys")).unwrap_or_default());
    named.iter().filter_map(toml::Value::as_str).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(text: &str) -> (Self, PathBuf) {
            let folder = Self(tempfile::tempdir().unwrap());
            let file = folder.write("gatekeeper.toml", text);
            (folder, file)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    /// Whether the change is reported, with the first look after it or the second.
    fn reports(watch: &mut Watch) -> [bool; 3] {
        [(); 3].map(|()| watch.has_changed(Vec::new()))
    }

    #[test]
    fn a_change_is_reported_once_when_it_is_still() {
        let (folder, file) = Folder::new("a = 1");
        let mut watch = Watch::of(Some(file.clone()));
        assert_eq!(reports(&mut watch), [false; 3]);
        folder.write("gatekeeper.toml", "a = 2");
        assert_eq!(reports(&mut watch), [false, true, false]);
        // Half-written, and then the rest.
        folder.write("gatekeeper.toml", "a =");
        assert!(!watch.has_changed(Vec::new()));
        folder.write("gatekeeper.toml", "a = 33");
        assert_eq!(reports(&mut watch), [false, true, false]);
        // Moved into place.
        fs::rename(folder.write("aside", "a = 4"), &file).unwrap();
        assert_eq!(reports(&mut watch), [false, true, false]);
        fs::remove_file(&file).unwrap();
        assert_eq!(reports(&mut watch), [false, true, false]);
        assert_eq!(reports(&mut Watch::of(None)), [false; 3]);
    }

    #[test]
    fn a_change_back_within_a_look_is_none_and_a_swapped_link_is_one() {
        let (folder, _) = Folder::new("");
        let (one, two) = (folder.write("one.toml", "a = 1"), folder.write("two.toml", "a = 1"));
        let link = folder.0.path().join("link.toml");
        let swap = |to: &Path| {
            let aside = folder.0.path().join("aside");
            std::os::unix::fs::symlink(to, &aside).unwrap();
            fs::rename(aside, &link).unwrap();
        };
        swap(&one);
        let mut watch = Watch::of(Some(link.clone()));
        swap(&two);
        assert!(!watch.has_changed(Vec::new()));
        swap(&one);
        assert_eq!(reports(&mut watch), [false; 3]);
        swap(&two);
        assert_eq!(reports(&mut watch), [false, true, false]);
    }

    #[test]
    fn templates_are_watched_those_of_a_refused_file_too() {
        let (folder, file) = Folder::new("");
        let mut watch = Watch::of(Some(file));
        let page = folder.0.path().join("page.html");
        let text = format!("no_such_key = 1\n[[sites]]\ntemplate = '{}'", page.display());
        folder.write("gatekeeper.toml", &text);
        assert_eq!(reports(&mut watch), [false, true, false]);
        folder.write("page.html", "there at last");
        assert_eq!(reports(&mut watch), [false, true, false]);
        // One that only the environment names, with a file and without.
        let other = folder.write("other.html", "x");
        assert!(!watch.has_changed(vec![other.clone()]));
        folder.write("other.html", "changed");
        assert!(!watch.has_changed(vec![other.clone()]));
        assert!(watch.has_changed(vec![other.clone()]));
        let mut watch = Watch::of(None);
        assert!(!watch.has_changed(vec![other.clone()]));
        folder.write("other.html", "changed once more");
        assert!(!watch.has_changed(vec![other.clone()]));
        assert!(watch.has_changed(vec![other]));
    }

    #[test]
    fn certificates_and_signing_keys_are_watched() {
        let (folder, file) = Folder::new("");
        let path = |name: &str| folder.0.path().join(name).display().to_string();
        let names = ["general.crt", "general.key", "host.crt", "host.key", "sign.pem"];
        let [crt, key, host_crt, host_key, sign] = names.map(path);
        let text = format!(
            "[tokens]\nsigning_keys = ['{sign}']\n[[server.listeners]]\ntls = {{ cert = '{crt}', key = '{key}' }}\n\
             certificates = [{{ hosts = ['a'], cert = '{host_crt}', key = '{host_key}' }}]"
        );
        folder.write("gatekeeper.toml", &text);
        let mut watch = Watch::of(Some(file));
        for name in names {
            folder.write(name, "x");
            assert_eq!(reports(&mut watch), [false, true, false], "{name}");
        }
    }

    #[test]
    fn what_is_in_a_folder_of_languages_is_watched() {
        let (folder, file) = Folder::new("");
        let languages = folder.0.path().join("locales");
        fs::create_dir(&languages).unwrap();
        let mut watch = Watch::of(Some(file));
        folder.write("gatekeeper.toml", &format!("[[sites]]\npage.languages = '{}'", languages.display()));
        assert_eq!(reports(&mut watch), [false, true, false]);
        folder.write("locales/sv.ftl", "next = a");
        assert_eq!(reports(&mut watch), [false, true, false], "a new one");
        folder.write("locales/sv.ftl", "next = bb");
        assert_eq!(reports(&mut watch), [false, true, false], "a changed one");
        fs::remove_file(languages.join("sv.ftl")).unwrap();
        assert_eq!(reports(&mut watch), [false, true, false], "one that is gone");
    }

    #[test]
    fn who_read_it_for_another_reason_is_not_told_again() {
        let (folder, file) = Folder::new("a = 1");
        let mut watch = Watch::of(Some(file));
        folder.write("gatekeeper.toml", "a = 22");
        watch.note_read(Vec::new());
        assert_eq!(reports(&mut watch), [false; 3]);
    }
}
