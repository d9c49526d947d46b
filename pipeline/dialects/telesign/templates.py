"""Texts of verification messages: the customer's own, or a predefined one in the end user's language."""

import re

#: by language tag, with a region where it has a text of its own
TEXTS = {
    "ar": "رمز التحقق الخاص بك هو $$CODE$$",
    "de": "Ihr Bestätigungscode lautet $$CODE$$",
    "en": "Your verification code is $$CODE$$",
    "es": "Su código de verificación es $$CODE$$",
    "fr": "Votre code de vérification est $$CODE$$",
    "hi": "आपका सत्यापन कोड $$CODE$$ है",
    "id": "Kode verifikasi Anda adalah $$CODE$$",
    "it": "Il tuo codice di verifica è $$CODE$$",
    "ja": "認証コードは $$CODE$$ です",
    "ko": "인증 코드는 $$CODE$$입니다",
    "nl": "Uw verificatiecode is $$CODE$$",
    "pl": "Twój kod weryfikacyjny to $$CODE$$",
    "pt": "Seu código de verificação é $$CODE$$",
    "pt-pt": "O seu código de verificação é $$CODE$$",
    "ru": "Ваш код подтверждения: $$CODE$$",
    "sv": "Din verifieringskod är $$CODE$$",
    "th": "รหัสยืนยันของคุณคือ $$CODE$$",
    "tr": "Doğrulama kodunuz: $$CODE$$",
    "uk": "Ваш код підтвердження: $$CODE$$",
    "vi": "Mã xác minh của bạn là $$CODE$$",
    "zh": "您的验证码是 $$CODE$$",
    "zh-hant": "您的驗證碼是 $$CODE$$",
}
#: regions that write Chinese in traditional characters
_SAME = {"zh-tw": "zh-hant", "zh-hk": "zh-hant", "zh-mo": "zh-hant"}
_DEFAULT = "en"

_NAMES = re.compile(r"\$\$(CODE|AMOUNT|PAYEE)\$\$")


def predefined(language: str) -> str:
    """Return the predefined text for a language tag (`pt-BR`, `zh_TW`), or the English one."""
    tag = language.strip().lower().replace("_", "-")
    tag = _SAME.get(tag, tag)
    while tag:
        if tag in TEXTS:
            return TEXTS[tag]
        tag = tag.rpartition("-")[0]
    return TEXTS[_DEFAULT]


def fill(template: str, code: str, amount: str, payee: str) -> str:
    """Return a text with `$$CODE$$`, `$$AMOUNT$$`, `$$PAYEE$$` filled in; placeholders in their values are not.

    A text without `$$CODE$$` is sent unchanged: some customers put their own code in it.
    """
    values = {"CODE": code, "AMOUNT": amount, "PAYEE": payee}
    return _NAMES.sub(lambda found: values[found[1]], template)
