"""The browser and system that a User-Agent header names, for a user's list of sessions."""

#: what a header has → browser; the first that fits, since each of them names those it is descended from
_BROWSERS = {
    "Edg/": "Edge",
    "EdgA/": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chromium/": "Chromium",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
    "curl/": "curl",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iOS",
    "iPad": "iPadOS",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def family(header: str) -> str:
    """Return browser and system, such as `Firefox on Linux`, or what of it is known."""
    browser = next((name for word, name in _BROWSERS.items() if word in header), "another browser")
    system = next((name for word, name in _SYSTEMS.items() if word in header), None)
    return f"{browser} on {system}" if system else browser
