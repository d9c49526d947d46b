"""Raises this process's limit of open files (RLIMIT_NOFILE)."""

import resource


def allow(needed: int) -> int:
    """Raise the limit towards `needed`, up to the hard limit; return how many files may be open, at most `needed`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    return max(soft, most)
