//! Finds the parts of the program's own file that were only ever read, and gives their pages back to the system.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

/// The description of each mapping has about 700 bytes, and a program has some hundred mappings.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Does nothing when /proc is hidden.
pub fn give_back() {
    let (Ok(program), Ok(smaps)) = (fs::read_link("/proc/self/exe"), File::open("/proc/self/smaps")) else {
        return;
    };
    for range in only_read(BufReader::new(smaps.take(MAX_BYTES)), program.as_os_str().as_bytes()) {
        // SAFETY: the range is a private mapping of a file that cannot be written, and has no page that differs from the
        // file. So each page that is used again has the same content. An error, as for locked memory, changes nothing.
        unsafe { libc::madvise(range.start as *mut _, range.len(), libc::MADV_DONTNEED) };
    }
}

/// Returns the mappings of the file `program` in `smaps`, see proc_pid_smaps(5), that cannot be written and have no page
/// that differs from the file, in memory or swapped out. Such pages are in the part that the dynamic linker makes
/// read-only after it has written to it, and where a debugger has set a breakpoint.
fn only_read(mut smaps: impl BufRead, program: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut mapping: Option<Mapping> = None;
    let mut line = Vec::new();
    while matches!(smaps.read_until(b'\n', &mut line), Ok(1..)) {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        match field(text) {
            None => mapping = unwritable(text, program),
            Some((name, value)) => {
                if let Some(seen) = &mut mapping {
                    match name {
                        b"Anonymous" => seen.anonymous = value,
                        b"Swap" => seen.swapped = value,
                        _ => {}
                    }
                }
            }
        }
        if let Some(Mapping { range, anonymous: Some(0), swapped: Some(0) }) = &mapping {
            found.push(range.clone());
            mapping = None;
        }
        line.clear();
    }
    found
}

struct Mapping {
    range: Range<usize>,
    /// KiB in memory that differ from the file. Absent until their line is read.
    anonymous: Option<u64>,
    /// KiB that are swapped out, which also differ. Absent until their line is read.
    swapped: Option<u64>,
}

/// Reads a line such as `Anonymous:             0 kB`. Absent for the first line of a mapping. The value is absent when it
/// is not a size.
fn field(line: &[u8]) -> Option<(&[u8], Option<u64>)> {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let name = line[..end].strip_suffix(b":")?;
    let value =
        std::str::from_utf8(&line[end..]).ok().and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
    Some((name, value))
}

/// Reads the first line of a mapping, such as `00400000-0082e000 r--p 00000000 fe:00 131 /usr/bin/muster`. Absent when it is
/// not private, can be written, or is not of the file `program`.
fn unwritable(line: &[u8], program: &[u8]) -> Option<Mapping> {
    // Five fields, and the path after blanks. The path may contain blanks.
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let addresses = std::str::from_utf8(fields.next()?).ok()?;
    let [b'r', b'-', b'-' | b'x', b'p'] = fields.next()? else { return None };
    if fields.nth(3)?.trim_ascii_start() != program {
        return None;
    }
    let (start, end) = addresses.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    (!range.is_empty()).then_some(Mapping { range, anonymous: None, swapped: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "/usr/bin/muster";

    fn found(smaps: &str) -> Vec<(usize, usize)> {
        found_of(smaps.as_bytes(), PROGRAM)
    }

    fn found_of(smaps: &[u8], program: &str) -> Vec<(usize, usize)> {
        only_read(smaps, program.as_bytes()).iter().map(|range| (range.start, range.end)).collect()
    }

    fn mapping(head: &str, anonymous: u64, swapped: u64) -> String {
        format!(
            "{head}\nSize: 4 kB\nRss: 4 kB\nPrivate_Dirty: 4 kB\nAnonymous: {anonymous:12} kB\nAnonHugePages: 0 kB\n\
             Swap: {swapped:16} kB\nSwapPss: 0 kB\nVmFlags: rd ex mr mw me \n"
        )
    }

    fn at(range: &str, permissions: &str, path: &str) -> String {
        format!("{range} {permissions} 0042e000 fe:00 131                     {path}")
    }

    #[test]
    fn code_and_constants_of_the_program_are_found() {
        let smaps = mapping(&at("00400000-0082e000", "r--p", PROGRAM), 0, 0)
            + &mapping(&at("7f94cfdc0000-7f94cffd5000", "r-xp", PROGRAM), 0, 0);
        assert_eq!(found(&smaps), [(0x40_0000, 0x82_e000), (0x7f94_cfdc_0000, 0x7f94_cffd_5000)]);
    }

    #[test]
    fn what_differs_from_the_file_is_left_even_when_it_is_swapped_out() {
        let head = at("00400000-0082e000", "r--p", PROGRAM);
        assert_eq!(found(&mapping(&head, 4, 0)), []);
        assert_eq!(found(&mapping(&head, 0, 4)), []);
        assert_eq!(found(&mapping(&head, 4, 4)), []);
    }

    #[test]
    fn what_can_be_written_or_run_by_others_or_is_of_other_files_is_left() {
        for permissions in ["rw-p", "rwxp", "r--s", "r-xs", "---p", "--xp", "-w-p", "r--", "r--pp", ""] {
            assert_eq!(found(&mapping(&at("1000-2000", permissions, PROGRAM), 0, 0)), [], "{permissions}");
        }
        for path in [
            "",
            "[heap]",
            "/usr/bin/muster2",
            "/usr/bin/muste",
            "usr/bin/muster",
            "/usr/bin/muster (deleted)",
        ] {
            assert_eq!(found(&mapping(&at("1000-2000", "r--p", path), 0, 0)), [], "{path}");
        }
        assert_eq!(found(&mapping("1000-2000 rw-p 00000000 00:00 0 ", 0, 0)), []);
    }

    #[test]
    fn a_program_whose_file_was_removed_or_has_blanks_in_its_path_is_found() {
        for path in ["/usr/bin/muster (deleted)", "/opt/the  new tools/muster"] {
            let smaps = mapping(&at("1000-2000", "r-xp", path), 0, 0);
            assert_eq!(found_of(smaps.as_bytes(), path), [(0x1000, 0x2000)], "{path}");
        }
    }

    #[test]
    fn a_mapping_of_which_not_all_is_known_is_left() {
        let head = at("1000-2000", "r--p", PROGRAM);
        for rest in [
            "",
            "Anonymous: 0 kB\n",
            "Swap: 0 kB\n",
            "Anonymous: 0 kB\nSwap: kB\n",
            "Anonymous: 0\nSwap: 0 kB\n",
        ] {
            assert_eq!(found(&format!("{head}\n{rest}")), [], "{rest}");
        }
        // The lines of the next mapping do not count for this one.
        let other = mapping(&at("3000-4000", "r--p", "/usr/lib/libc.so.6"), 0, 0);
        assert_eq!(found(&format!("{head}\nAnonymous: 0 kB\n{other}")), []);
    }

    #[test]
    fn odd_lines_are_left() {
        for addresses in [
            "1000",
            "1000-",
            "-2000",
            "2000-1000",
            "1000-1000",
            "x-y",
            "1000-2000-3000",
            "fffffffffffffffff-1",
        ] {
            assert_eq!(found(&mapping(&at(addresses, "r--p", PROGRAM), 0, 0)), [], "{addresses}");
        }
        for text in ["", "\n\n", ":", "Anonymous: 0 kB\nSwap: 0 kB\n", "\u{0}", "1000-2000 r--p 0 0:0"] {
            assert_eq!(found(text), [], "{text}");
        }
        // Bytes that are not text, and no end of the last line.
        let mut smaps = b"\xff\xfe \xff\n".to_vec();
        smaps.extend(mapping(&at("1000-2000", "r--p", PROGRAM), 0, 0).trim_end().bytes());
        assert_eq!(found_of(&smaps, PROGRAM), [(0x1000, 0x2000)]);
    }

    #[test]
    fn what_was_found_in_this_program_is_read_as_before() {
        static CONSTANT: [u8; 64] = [7; 64];
        for _ in 0..3 {
            give_back();
            assert_eq!(std::hint::black_box(&CONSTANT), &[7; 64]);
        }
    }
}
