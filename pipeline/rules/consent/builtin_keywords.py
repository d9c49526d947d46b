"""Built-in opt-out, opt-in and help keywords (STOP, START, HELP) in many languages, by their source.

Words are compared as `keywords.spell` returns them: case, accents, spaces and punctuation do not matter.
"""

from pipeline.rules.text.word_matching import spell
from schema.vocabulary import InboundAction

#: source → words that mean STOP when they are the whole text
STOP: dict[str, str] = {
    "47 CFR 64.1200(a)(10), CTIA": "STOP, QUIT, END, REVOKE, OPT OUT, CANCEL, UNSUBSCRIBE, STOPALL",
    "www.twilio.com/docs/messaging/tutorials/advanced-opt-out; …/docs/proxy/opt-out-keywords": "OPTOUT, ARRETT, ARRETE",
    "docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html": "ARRET, OPT-OUT, REMOVE, TD",
    "developers.telnyx.com/docs/messaging/messages/advanced-opt-in-out": "STOP ALL",
    "intl.cloud.tencent.com/document/product/382/35474 (TD is 退订)": "TD, 退订",
    "www.sent.dm/resources/il-sms-guidance (Israel)": "הסר, HASER",
    # no list is published: the keywords that senders in these languages announce
    "usual in English": "UNSUB, REMOVE ME, TAKE ME OFF, UNSUBSCRIBE ME, UNSUBSCRIBE ALL, STOP SMS, STOP TXT, STOP TEXT",
    "usual in French": "ARRETER, DESABONNER, DESABONNEMENT, DESINSCRIRE",
    "usual in German": "STOPP, STOPPEN, ABMELDEN, ABBESTELLEN",
    "usual in Spanish": "BAJA, ALTO, PARE, CANCELAR, DETENER, SALIR, NO MAS",
    "usual in Portuguese": "SAIR, PARAR, CANCELAR, DESCADASTRAR, REMOVER",
    "usual in Italian and Dutch": "CANCELLA, CANCELLAMI, DISISCRIVI, AFMELDEN, UITSCHRIJVEN",
    "usual in the North": "AVSLUTA, AVREGISTRERA, AVMELD, AFMELD, FRAMELD, LOPETA",
    "usual in Turkish": "RET, IPTAL",
    "usual in Russian, Ukrainian, Greek": "СТОП, ОТПИСАТЬСЯ, ОТПИСКА, ВІДПИСАТИСЯ, ΣΤΟΠ",
    "usual in Arabic and Persian": "إيقاف, أوقف, قف, توقف, إلغاء, الغاء, إلغاء الاشتراك, ستوب, لغو, لغو11, لغو۱۱",
    "usual in Chinese, Japanese, Korean": "停止, 退訂, 拒收, 取消订阅, 取消訂閱, 配信停止, 수신거부",
    "usual in Vietnamese, Indonesian, Malay, Thai": "HUY, TU CHOI, UNREG, BERHENTI, BATAL, ยกเลิก",
}
#: first words of a text that mean STOP whatever follows: they have no other meaning
OPENINGS = (
    "STOP, STOPALL, STOP ALL, STOPP, UNSUBSCRIBE, UNSUB, OPTOUT, OPT OUT, ARRET, DESABONNER, ABMELDEN, СТОП, "
    "إيقاف, 退订, REMOVE ME, TAKE ME OFF, UNSUBSCRIBE ME"
)
#: addressed to a person: "stop by tomorrow", "stop at the corner", "stop in for tea", "stop for lunch"
EXCEPTIONS = "STOP BY, STOP AT, STOP IN, STOP FOR, STOP OVER, STOP OFF, STOP NEAR, STOP OUTSIDE"
#: … but these are opt-outs
EXCEPTIONS_FROM_EXCEPTIONS = (
    "STOP AT ONCE, STOP FOR GOOD, STOP FOR EVER, STOP FOR NOW, STOP FOR ALL, STOP IN FULL, STOP BY NOW, "
    "STOP IN GENERAL, STOP AT ALL, STOP IN FUTURE"
)
#: source → words that mean START when they are the whole text
START: dict[str, str] = {
    "CTIA; Twilio; AWS; Telnyx": "START, UNSTOP, YES, OPTIN, OPT IN, SUBSCRIBE",
    "Spanish, Portuguese, Russian": "ALTA, COMENCAR, INICIAR, СТАРТ",
}
#: START words that also answer other questions: they count only while an opt-out is in force
ANSWERS = "YES, ALTA"
#: source → words that mean HELP when they are the whole text
HELP: dict[str, str] = {
    "CTIA; CRTC": "HELP, INFO, AIDE",
    "Spanish, Portuguese, German, Russian": "AYUDA, AJUDA, HILFE, ПОМОЩЬ",
}
#: signatures of handsets and mail programs
SIGNATURES = (
    "SENT FROM, SENT VIA, GET OUTLOOK, ENVOYE DE, ENVOYE DEPUIS, GESENDET VON, VON MEINEM, ENVIADO DESDE, ENVIADO DO, "
    "ENVIADO DE, INVIATO DA, VERZONDEN, VERSTUURD, SKICKAT FRAN, SENDT FRA, ОТПРАВЛЕНО, WYSLANO, أرسلت من"
)


def spelt(words: str) -> frozenset[str]:
    """Return the words of a list in their comparison form."""
    return frozenset(spell(word) for word in words.split(","))


#: whole text → its meaning
BUILT_IN: dict[str, InboundAction] = {
    word: action
    for action, lists in ((InboundAction.HELP, HELP), (InboundAction.START, START), (InboundAction.STOP, STOP))
    for words in lists.values()
    for word in spelt(words)
}
