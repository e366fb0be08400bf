"""Text rules that put a placeholder in the place of what identifies or authorises someone; all are off by default.

They find forms, not meanings: an address in an example is masked like a person's own. Every pattern begins where no
earlier character could belong to it, and its parts are bounded or possessive, so that each text is read once.
"""

import re

_EMAIL = re.compile(
    r"(?<![\w.%+-])(?!git@)[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}(?![\w@-])", re.ASCII
)
# +49 30 1234567, (212) 555-0147, 212-555-0147, and China's eleven digits of a mobile phone.
_PHONE = re.compile(
    r"(?<![\w.+/=-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}|1[3-9]\d{9})(?![\w=/-]|\.\d)",
    re.ASCII,
)
_KEY = re.compile(
    r"(?<![\w-])(?:sk-[\w-]{20,}+|(?:ghp|gho|ghs|ghu)_\w{36,}+|github_pat_\w{22,}+|glpat-[\w-]{20,}+|hf_\w{30,}+"
    r"|AKIA[0-9A-Z]{16}|AIza[\w-]{35}|xox[abprs]-[\w-]{10,}+|eyJ[\w-]{10,}+\.eyJ[\w-]{10,}+\.[\w-]{10,}+)(?![\w-])"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s:,.]{0,9000}-----END [A-Z ]{0,20}PRIVATE KEY-----",
    re.ASCII,
)


def mask_email(text: str) -> str:
    """Write `[email]` for e-mail addresses.

    >>> mask_email("Write to ana.ruiz@example.com, or clone git@example.com:a/b.")
    'Write to [email], or clone git@example.com:a/b.'
    """
    return _EMAIL.sub("[email]", text) if "@" in text else text


def mask_phone(text: str) -> str:
    """Write `[phone]` for phone numbers: with a country's code, or in the forms of North America and China.

    >>> mask_phone("Call +49 30 1234567 or (212) 555-0147, not 2024-11-23 or 3.1415926535.")
    'Call [phone] or [phone], not 2024-11-23 or 3.1415926535.'
    """
    return _PHONE.sub("[phone]", text)


def mask_key(text: str) -> str:
    """Write `[key]` for access keys whose services give them a known form, for JSON Web Tokens and for private keys.

    >>> mask_key("openai.api_key = 'sk-" + "a1B2" * 12 + "'")
    "openai.api_key = '[key]'"
    """
    return _KEY.sub("[key]", text)
