use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines wait for others to be written with.
const GATHERED_FOR: Duration = Duration::from_millis(5);
/// More is not gathered: who writes the next line waits until the others are out.
const MOST: usize = 256 * 1024;

/// Standard error, or another file, for the log of a server. One write for each line costs more than the session check that the line tells of, and
/// has the cores wait for each other, so lines are gathered for a few milliseconds. A warning or an error is out before anything
/// else happens, and with it what was told before it. A program that is killed loses the rest, of those milliseconds.
#[derive(Clone)]
pub(crate) struct LogOutput(Arc<Shared>);

struct Shared {
    gathered: Mutex<Gathered>,
    is_something_there: Condvar,
    /// Held by who writes, so that lines keep their order.
    out: Mutex<Out>,
}

struct Out {
    file: Box<dyn Write + Send>,
    /// Room that takes the place of what is written: to ask for it anew each time would have all of it zeroed by the system.
    spare: Vec<u8>,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    is_over: bool,
}

/// Writes what is gathered, for as long as it lives. Dropped, it writes the rest.
pub(crate) struct Gatherer {
    output: LogOutput,
    thread: Option<thread::JoinHandle<()>>,
}

impl LogOutput {
    /// Begins to gather.
    ///
    /// # Errors
    ///
    /// Where the system gives no thread.
    pub(crate) fn gather(file: impl Write + Send + 'static) -> io::Result<(Self, Gatherer)> {
        let shared = Shared {
            gathered: Mutex::default(),
            is_something_there: Condvar::new(),
            out: Mutex::new(Out { file: Box::new(file), spare: Vec::new() }),
        };
        let output = Self(Arc::new(shared));
        let written = output.clone();
        let thread =
            thread::Builder::new().name("log".to_owned()).spawn(move || written.write_until_over())?;
        Ok((output.clone(), Gatherer { output, thread: Some(thread) }))
    }

    fn write_until_over(&self) {
        loop {
            let nothing = |gathered: &mut Gathered| gathered.lines.is_empty() && !gathered.is_over;
            let gathered = self.gathered();
            let gathered = self.0.is_something_there.wait_while(gathered, nothing);
            let gathered = gathered.unwrap_or_else(PoisonError::into_inner);
            let until_over = |gathered: &mut Gathered| !gathered.is_over;
            let waited = self.0.is_something_there.wait_timeout_while(gathered, GATHERED_FOR, until_over);
            let is_over = waited.unwrap_or_else(PoisonError::into_inner).0.is_over;
            self.write_out();
            if is_over {
                return;
            }
        }
    }

    /// Nobody is told where it cannot be written: there is nowhere to tell it. What was torn does not swallow the next line.
    fn write_out(&self) {
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { file, spare } = &mut *out;
        std::mem::swap(spare, &mut self.gathered().lines);
        if file.write_all(spare).is_err() {
            self.gathered().lines.insert(0, b'\n');
        }
        spare.clear();
        spare.shrink_to(MOST);
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where one line goes.
pub(crate) struct Line<'a> {
    output: &'a LogOutput,
    is_urgent: bool,
}

impl<'a> MakeWriter<'a> for LogOutput {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { output: self, is_urgent: true }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Line<'a> {
        Line { output: self, is_urgent: *of.level() <= Level::WARN }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut gathered = self.output.gathered();
        let (was_empty, is_over) = (gathered.lines.is_empty(), gathered.is_over);
        gathered.lines.extend_from_slice(line);
        let is_full = gathered.lines.len() > MOST;
        drop(gathered);
        if self.is_urgent || is_full || is_over {
            self.output.write_out();
        } else if was_empty {
            self.output.0.is_something_there.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Gatherer {
    fn drop(&mut self) {
        self.output.gathered().is_over = true;
        self.output.0.is_something_there.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is looked into while others write.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, some: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(some);
            Ok(some.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn tell(output: &LogOutput, is_urgent: bool, line: &str) {
        Line { output, is_urgent }.write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_is_written_after_a_moment_and_a_warning_at_once_after_what_was_told_before_it() {
        let page = Page::default();
        let (output, gatherer) = LogOutput::gather(page.clone()).unwrap();
        tell(&output, false, "one\n");
        while page.text().is_empty() {
            thread::yield_now();
        }
        tell(&output, false, "two\n");
        tell(&output, true, "three\n");
        assert_eq!(page.text(), "one\ntwo\nthree\n");
        tell(&output, false, "four\n");
        drop(gatherer);
        tell(&output, false, "five\n");
        assert_eq!(
            page.text(),
            "one\ntwo\nthree\nfour\nfive\n",
            "the last of it, and what comes after the end"
        );
    }

    #[test]
    fn of_many_who_write_no_line_is_lost_or_torn_and_each_ones_keep_their_order() {
        let page = Page::default();
        let (output, gatherer) = LogOutput::gather(page.clone()).unwrap();
        let line = |who: usize, number: usize| format!("{who} {number} {}\n", "x".repeat(300));
        thread::scope(|threads| {
            for who in 0..4 {
                let output = &output;
                threads.spawn(move || {
                    (0..2000).for_each(|number| tell(output, number % 100 == 99, &line(who, number)));
                });
            }
        });
        drop(gatherer);
        let text = page.text();
        for who in 0..4 {
            let of_one: String =
                text.split_inclusive('\n').filter(|told| told.starts_with(&who.to_string())).collect();
            assert_eq!(of_one, (0..2000).map(|number| line(who, number)).collect::<String>());
        }
        assert_eq!(text.lines().count(), 8000);
    }
}
