"""This process's limit of open files, raised to what its work needs."""

import resource


def allow(needed: int) -> int:
    """Raise the limit to this many as far as one may; return how many files may be open then, that many at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    return max(soft, most)
