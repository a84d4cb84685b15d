//! CPU time and memory of a server's processes, from `/proc` (proc(5)).

use std::fs;

/// What processes have used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// CPU time of all threads, living or gone, in user and kernel mode, in seconds.
    pub(crate) cpu_s: f64,
    /// Sum of the processes' peak resident memory, in bytes.
    pub(crate) peak_memory_bytes: u64,
}

impl Usage {
    /// What `pids` have used so far. A process that is gone counts nothing.
    #[must_use]
    pub(crate) fn of(pids: &[u32]) -> Self {
        let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
        let mut usage = Self::default();
        for pid in pids {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            usage.cpu_s += Stat::parse(&stat).map_or(0.0, |stat| stat.cpu_ticks as f64 / ticks_per_s);
            usage.peak_memory_bytes += peak_memory_bytes(&status).unwrap_or(0);
        }
        usage
    }
}

/// `root` and all its living descendants: nginx is a master and its workers.
#[must_use]
pub(crate) fn process_tree(root: u32) -> Vec<u32> {
    let processes: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, Stat::parse(&stat)?.parent))
        })
        .collect();
    tree_of(root, &processes)
}

/// Makes the peak memory of `pids` start anew at what they use now.
///
/// Where the kernel refuses, the peak stays the one since their start.
pub(crate) fn reset_peak_memory(pids: &[u32]) {
    for pid in pids {
        let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

/// Orders `root` and its descendants out of `(pid, parent)` pairs.
fn tree_of(root: u32, processes: &[(u32, u32)]) -> Vec<u32> {
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        next += 1;
        let children = processes.iter().filter(|(pid, its_parent)| *its_parent == parent && !tree.contains(pid));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        tree.extend(children);
    }
    tree
}

#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    cpu_ticks: u64,
}

impl Stat {
    /// Reads `/proc/PID/stat`. The name in it may hold spaces and parentheses, so fields are counted from its end.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self { parent: u32::try_from(number(1)?).ok()?, cpu_ticks: number(11)? + number(12)? })
    }
}

/// `VmHWM` of `/proc/PID/status`.
fn peak_memory_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a (b) c) S 17 4242 4242 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 1 0 100 0 0";

    #[test]
    fn stat_is_read_behind_a_name_with_parentheses() {
        assert_eq!(Stat::parse(STAT), Some(Stat { parent: 17, cpu_ticks: 200 }));
    }

    #[test]
    fn a_cut_or_foreign_stat_is_none() {
        for text in ["", "1 (x", "1 (x) S", "1 (x) S 17 1 1 0 -1 0 1 2 3 4 150", "1 (x) S a 1 1 0 -1 0 1 2 3 4 150 50"]
        {
            assert_eq!(Stat::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn peak_memory_is_in_bytes() {
        assert_eq!(peak_memory_bytes("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(peak_memory_bytes("Name:\tx\nVmRSS:\t 1 kB\n"), None);
    }

    #[test]
    fn the_tree_holds_grandchildren_and_no_strangers() {
        assert_eq!(tree_of(1, &[(4, 3), (3, 1), (2, 1), (5, 9), (9, 9)]), [1, 3, 2, 4]);
    }

    #[test]
    fn a_loop_of_parents_ends() {
        assert_eq!(tree_of(1, &[(1, 2), (2, 1)]), [1, 2]);
    }

    #[test]
    fn this_process_has_used_cpu_and_memory() {
        let own = process_tree(std::process::id());
        assert!(own.contains(&std::process::id()));
        assert!(Usage::of(&own).peak_memory_bytes > 0);
    }
}
