"""Passwords: what may be one. No rules of composition, after NIST SP 800-63B."""

from pipeline.errors import require
from pipeline.password_hashing import plain

#: characters
SHORTEST, LONGEST = 12, 256

#: at least twelve characters long and among the first that are guessed
COMMON = frozenset(
    """
    000000000000 111111111111 112233445566 121212121212 123123123123 123412341234 1234567890123 123456789012
    12345678901234567890 1234567891011 123456789123 123456123456 1234qwerasdf 1q2w3e4r5t6y 1q2w3e4r5t6y7u8i 1qaz2wsx3edc
    1qazxsw23edc aaaaaaaaaaaa abc123456789 abcd12345678 abcdefghijkl abcdefghijklm administrator administrator1
    adminadminadmin admin1234567 admin12345678 asdfasdfasdf asdfghjkl123 changeme1234 changemechangeme changemenow1
    correcthorsebatterystaple football1234 helloworld123 iloveyou1234 iloveyouiloveyou letmeinletmein letmein12345
    liverpool123 manchesterunited mypassword123 p@ssw0rd1234 p@ssword1234 passw0rd1234 password0000 password1234
    password12345 password123456 password1234567 password12345678 password123456789 password2024 password2025
    password2026 passwordpassword q1w2e3r4t5y6 qazwsxedcrfv qwe123qwe123 qwer1234asdf qwerty123456 qwerty1234567
    qwerty12345678 qwerty123456789 qwertyqwerty qwertyuiop12 qwertyuiop123 qwertyuiop1234 qwertyuiopasdfghjkl
    secretpassword summer2025!! superadmin123 test12345678 testtesttest thisismypassword trustno1trustno1
    welcome12345 welcome123456 welcome2025! welcome2026! zaq12wsxcde3 zxcvbnm12345 zxcvbnmzxcvbnm
    """.split()  # noqa: SIM905 - a table of words
)


def check_password(password: str, name: str) -> None:
    """Raise InvalidInput unless it may be the password of the user of that name."""
    spelt = plain(password)
    require(len(spelt) >= SHORTEST, f"a password has at least {SHORTEST} characters")
    require(len(spelt) <= LONGEST, f"a password has at most {LONGEST} characters")
    words = spelt.casefold()
    require(words not in COMMON and len(set(words)) > 2, "this password is among those that are guessed first")
    without = words.replace(name, "").replace(name.partition("@")[0], "").replace("postroad", "")
    require(len(without) >= SHORTEST // 2, "this password is little more than the name of the user or the product")
