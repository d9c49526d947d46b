"""Calling codes of countries (ITU-T E.164): no code begins with another, so leading digits tell a number's."""

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

#: those of two digits, with a plus; +1 and +7 have one, all others three
TWO_DIGITS = tuple(sorted(f"+{code}" for code in COUNTRY_CODE_TO_REGION_CODE if len(str(code)) == 2))
