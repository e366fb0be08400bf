"""Rules for text whose characters were damaged or spelled in parts; both guess, and are off by default.

In 508 real conversations neither finds anything to do. Turn `broken_unicode` on for a dump that shows `donâ€™t`, and
`composed_unicode` for one that was typed on a system that stores é as two characters.
"""

import unicodedata


def broken_unicode(text: str) -> str:
    """Mend text whose UTF-8 was once read as another encoding, with ftfy's careful guess.

    >>> broken_unicode("donâ€™t"), broken_unicode("€ 5 – à la carte")
    ('don’t', '€ 5 – à la carte')
    """
    if text.isascii():
        return text
    import ftfy  # its tables take a tenth of a second to load

    return ftfy.fix_encoding(text)


def composed_unicode(text: str) -> str:
    """Compose letters and their accents into one character where there is one (Unicode's form NFC).

    >>> len("e\\u0301"), len(composed_unicode("e\\u0301"))
    (2, 1)
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)
