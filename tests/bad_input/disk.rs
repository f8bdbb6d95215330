//! Disk errors: paths that cannot be written, full disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use isogloss::RunFolder;
use isogloss_model::save;
use isogloss_tests::saved_model;

use crate::assert_refused;
use crate::job::Job;

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let mut job = Job::new();
    fs::write(job.path("file"), "").unwrap();
    // The tests may run as root, who ignores permissions; these paths fail for any user.
    let mut places = vec![job.path("file"), job.path("file/run")];
    if Path::new("/proc/self").exists() {
        places.push("/proc/isogloss/run".into());
    }
    for place in places {
        job.run = RunFolder::new(&place);
        assert_refused("the run's folder", job.run().0, &[place.to_str().unwrap()]);
    }

    let loaded = saved_model("bert", &Device::flex());
    for place in [job.path("nowhere"), job.path("file")] {
        let saved = save(&place, &loaded.model, loaded.head.as_ref(), &loaded.config_json);
        let path = place.join("config.json");
        assert_refused("a model's folder", saved, &[path.to_str().unwrap()]);
    }
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_to_write_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let job = Job::stopped();
    let permit =
        |mode| fs::set_permissions(job.run.path(), PermissionsExt::from_mode(mode)).unwrap();
    permit(0o555);
    let outcome = fs::write(job.run.path().join("probe"), "").is_err().then(|| job.run().0);
    permit(0o755);
    match outcome {
        Some(outcome) => assert_refused("read-only", outcome, &[job.run.path().to_str().unwrap()]),
        None => eprintln!("left out: this user may write where the mode forbids it"),
    }
    job.assert_readable("read-only", 5);
    _ = fs::remove_file(job.run.path().join("probe"));
    job.finish();
}

/// Every file that a run replaces meets a full disk in turn; the run resumes once there is space.
#[cfg(unix)]
#[test]
fn a_full_disk_names_the_file_and_loses_nothing() {
    use std::os::unix::fs::symlink;

    if !Path::new("/dev/full").exists() {
        eprintln!("left out: there is no /dev/full");
        return;
    }
    for name in ["environment.partial", "results.partial", "predictions/de.partial"] {
        let job = Job::stopped();
        let path = job.run.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink("/dev/full", &path).unwrap();
        assert_refused(name, job.run().0, &[path.to_str().unwrap(), "No space left on device"]);
        let step = if name.starts_with("environment") { 5 } else { 8 };
        job.assert_readable(name, step);
        job.assert_best_predicts(name);
        fs::remove_file(&path).unwrap();
        job.finish();
    }

    // The log cannot be truncated on a device, so the run ends there before the first step.
    let job = Job::stopped();
    let log = job.run.path().join("metrics.jsonl");
    fs::rename(&log, job.path("log")).unwrap();
    symlink("/dev/full", &log).unwrap();
    assert_refused("the log", job.run().0, &["run/metrics.jsonl: No space left on device"]);
    job.assert_readable("the log", 5);
    fs::rename(job.path("log"), &log).unwrap();
    job.finish();
}

/// Small in-memory file system (tmpfs), unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, kib: u32) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let size = format!("size={kib}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "isogloss-test"]).arg(&path);
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(path))
    }

    fn grow(&self, kib: u32) {
        let options = format!("remount,size={kib}k");
        let mut mount = Command::new("mount");
        assert!(mount.args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up_in_a_run_leaves_the_last_checkpoint() {
    // A checkpoint takes about 300 KiB, the selected model 110; the new ones must fit beside the
    // old.
    let mut n_cut_short = 0;
    for kib in [100, 250, 350, 450, 560, 650, 760] {
        let mut job = Job::new();
        let Some(disk) = SmallDisk::mount(job.path("disk"), kib) else {
            eprintln!("left out: this user cannot mount a file system");
            return;
        };
        job.run = RunFolder::new(job.path("disk/run"));
        let (outcome, told) = job.run();
        let case = format!("{kib} KiB");
        if outcome.is_err() {
            n_cut_short += 1;
            let parts = [job.run.path().to_str().unwrap(), "No space left on device"];
            assert_refused(&case, outcome, &parts);
            if let Some(step) = told.checkpoints.last() {
                job.assert_readable(&case, *step);
            }
            disk.grow(4096);
        }
        let results = job.finish();
        assert_eq!(results.languages.len(), 2, "{case}");
        job.assert_best_predicts(&case);
    }
    assert!(n_cut_short >= 4, "only {n_cut_short} runs met a full disk");
}
