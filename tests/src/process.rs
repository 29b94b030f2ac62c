//! A child process that does not outlive the test.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A running child in a process group of its own; the whole group is killed when this is dropped, and also when
/// the test program itself is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// Starts `command` with its standard output and error going to files in `dir`.
    pub fn start(name: &str, command: &mut Command, dir: &Path) -> Process {
        Process::spawn(name, command, dir, None)
    }

    /// As [`Process::start`], with standard output given to the caller through a pipe.
    pub fn start_piped(
        name: &str,
        command: &mut Command,
        dir: &Path,
    ) -> (Process, std::process::ChildStdout) {
        let mut process = Process::spawn(name, command, dir, Some(Stdio::piped()));
        let out = process
            .child
            .stdout
            .take()
            .expect("standard output was asked for as a pipe");
        (process, out)
    }

    fn spawn(name: &str, command: &mut Command, dir: &Path, stdout: Option<Stdio>) -> Process {
        let (out, err) = (dir.join(format!("{name}.out")), dir.join(format!("{name}.err")));
        let file = |path: &Path| Stdio::from(File::create(path).expect("a temporary directory is writable"));
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout.unwrap_or_else(|| file(&out)))
            .stderr(file(&err))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| {
                panic!("{name} does not start ({command:?}): {e}; `make setup` installs what is missing")
            });
        tell_guard('+', child.id());
        Process {
            child,
            name: name.to_owned(),
            out,
            err,
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends `signal` to the process alone, not to its children.
    pub fn signal(&self, signal: Signal) {
        // Gone already: the caller finds out by waiting.
        let _ = kill_process(self.pid(), signal);
    }

    /// Kills the whole group at once with SIGKILL and waits for the process.
    pub fn kill(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }

    /// Waits for the end; `None` when it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it wrote to standard output so far, unless that is a pipe.
    pub fn stdout(&self) -> String {
        read_lossy(&self.out)
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        read_lossy(&self.err)
    }

    /// Its name and the end of its error output, for a panic message.
    pub fn describe(&self) -> String {
        let log = self.stderr();
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "{}:\n{}",
            self.name,
            lines[lines.len().saturating_sub(30)..].join("\n")
        )
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        tell_guard('-', self.child.id());
    }
}

/// Runs `command` to its end and gives its standard output.
///
/// # Panics
/// When it can't start or fails, with its error output.
pub fn output_of(command: &mut Command) -> (String, String) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?} does not start: {e}; `make setup` installs what is missing"));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{err}", output.status);
    (String::from_utf8_lossy(&output.stdout).into_owned(), err)
}

/// Kills the process groups that are left when its input ends, which is when the test program does, however it does.
const GUARD: &str = r#"
live=
while read -r sign id; do
    if [ "$sign" = + ]; then live="$live $id"; continue; fi
    rest=; for other in $live; do [ "$other" = "$id" ] || rest="$rest $other"; done; live=$rest
done
for id in $live; do kill -9 "-$id"; done
"#;

/// Tells the guard of a process group that began (`+`) or ended (`-`).
fn tell_guard(sign: char, group: u32) {
    static GUARDIAN: OnceLock<Mutex<Child>> = OnceLock::new();
    let guardian = GUARDIAN.get_or_init(|| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", GUARD])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Out of the terminal's group, so that Ctrl-C does not reach it.
        Mutex::new(shell.process_group(0).spawn().expect("sh starts"))
    });
    let mut guardian = guardian.lock().expect("no holder panics");
    let input = guardian
        .stdin
        .as_mut()
        .expect("standard input was asked for as a pipe");
    let _ = writeln!(input, "{sign} {group}");
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
