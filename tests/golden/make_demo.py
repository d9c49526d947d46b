"""Writes workers/data/demo.csv: 2,000 recipients in twelve countries, with the texts of banks, shops and clinics.

    python tests/golden/make_demo.py

Seeded: the same numbers and texts each time, as long as libphonenumber's ranges stay. Names and numbers are made up;
the demo sends them to the simulator only.
"""

import calendar
import csv
import random
from collections.abc import Callable
from pathlib import Path

import phonenumbers
from phonenumbers import PhoneNumberType

ROWS = 2000
TARGET = Path(__file__).resolve().parents[2] / "workers/data/demo.csv"
MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)

# country → (share, language)
COUNTRIES = {
    "NG": (24, "en-NG"),
    "GH": (10, "en-GH"),
    "KE": (10, "sw"),
    "CI": (7, "fr"),
    "IN": (11, "hi"),
    "GB": (9, "en"),
    "DE": (6, "de"),
    "FR": (5, "fr"),
    "US": (8, "en-US"),
    "BR": (5, "pt"),
    "EG": (3, "ar"),
    "KZ": (2, "ru"),
}
NAMES = {
    "en-NG": "Adaeze Chidi Funke Ibrahim Ngozi Tunde Zainab Emeka Yetunde Musa",
    "en-GH": "Ama Kofi Akosua Kwame Efua Yaw Abena Kojo Esi Kwabena",
    "sw": "Achieng Kamau Wanjiku Otieno Njeri Mwangi Halima Kiprop Zawadi Juma",
    "fr": "Aya Jérôme Aïcha Éloïse Konan Chloé Mamadou Zoé René Fatou",
    "hi": "प्रिया राहुल अनन्या विक्रम नेहा अर्जुन काव्या रोहन मीरा सुनील",
    "en": "Olivia Jack Maya Oscar Grace Leo Amelia Noah Isla Ethan",
    "en-US": "Emma Liam Ava Mason Sofia Lucas Harper Diego Chloe Aiden",
    "de": "Jürgen Sophie Björn Käthe Lukas Mia Götz Anna Felix Änne",
    "pt": "João Ana Conceição Luís Beatriz Tiago Inês Caio Júlia Mário",
    "ar": "مريم أحمد فاطمة عمر ليلى يوسف نور خالد هدى سامي",
    "ru": "Айгерим Данияр Мария Ержан Светлана Тимур Алия Олег Дина Руслан",
}
GREETINGS = {
    "en-NG": "Dear",
    "en-GH": "Hello",
    "sw": "Habari",
    "fr": "Bonjour",
    "hi": "नमस्ते",
    "en": "Hi",
    "en-US": "Hi",
    "de": "Guten Tag",
    "pt": "Olá",
    "ar": "مرحبا",
    "ru": "Здравствуйте,",
}
PRESCRIPTION = (
    "your prescription is ready to collect. Bring this text with you. We are open until {later}:00 today, and "
    "from 9:00 to 17:30 tomorrow; if somebody else collects it for you, they need your date of birth."
)
PAYLOAD = {
    "en-NG": [
        "your Account Statement for the month of {month_en} has been generated. Please login to your account to view.",
        "NGN {money} was credited to account {account} by transfer. Avail. bal: NGN {more}. Ref {ref}.",
        "your order {ref} is out for delivery today between {hour}:00 and {later}:00. The rider will call you.",
        "your {count} service is due by {day_en}. Contact us on {phone} to schedule an appointment.",
    ],
    "en-GH": [
        "GHS {money} paid to ECG Prepaid. Token: {token}. Units: {units} kWh. Thank you for paying with us.",
        "your parcel {ref} has reached Accra Central. Show this text and your Ghana Card to collect it by {day_en}.",
        "your Account Statement for the month of {month_en} has been generated. Please login to your account to view.",
    ],
    "sw": [
        "malipo yako ya KES {money} yamepokelewa. Salio jipya ni KES {more}. Kumbukumbu {ref}.",
        "miadi yako na daktari ni {day} saa {hour}:00. Jibu 1 kuthibitisha au 2 kubadilisha.",
        "your ride arrives in {minutes} min: white Toyota Axio, {plate}. PIN {pin}.",
    ],
    "fr": [
        "votre rendez-vous du {day} à {hour}h est confirmé. Pour l’annuler, répondez NON avant la veille à midi.",
        "votre colis {ref} est arrivé au point relais, à retirer avant le {day}. Pensez à une pièce d'identité.",
        "nous avons bien reçu votre paiement de {money} FCFA (réf. {ref}). Merci de votre confiance.",
    ],
    "hi": [
        "आपके खाते {account} में ₹{money} जमा हुए। उपलब्ध शेष ₹{more}। संदर्भ {ref}।",
        "आपका ऑर्डर {ref} आज {hour} बजे तक पहुँच जाएगा। कृपया डिलीवरी कोड {pin} साझा करें।",
        "your LPG refill {ref} is booked. Delivery code {pin}: share it only after you have the cylinder.",
    ],
    "en": [
        "your {count} service is due by {day_en}. Contact us on {phone} to schedule an appointment.",
        "your table for {people} at {hour}:30 on {day_en} is confirmed 🎉 Reply C to cancel. See you soon!",
        "we've received your payment of £{money}. Your new balance is £{more}. [ref {ref}]",
        PRESCRIPTION,
    ],
    "en-US": [
        "your ride arrives in {minutes} min: silver Toyota Camry, plate {plate}. PIN {pin}.",
        "${money} was charged to your card ending {pin} at {hour}:04. Not you? Call {phone}.",
        "your {count} oil change is due by {day_en}. Contact us on {phone} to schedule an appointment.",
        "Flight {ref} now boards at gate {people} 🛫 Doors close at {hour}:40.",
    ],
    "de": [
        "Ihr Termin am {day} um {hour}:00 Uhr ist bestätigt. Können Sie nicht kommen, antworten Sie bitte mit NEIN.",
        "Ihre Rechnung {ref} über {money} € liegt im Kundenbereich bereit. Zahlbar bis {day}.",
        "Ihr Paket {ref} kommt heute zwischen {hour} und {later} Uhr. Ablage ändern: {{Garage}} oder {{Nachbar}}.",
    ],
    "pt": [
        "seu pagamento de R$ {money} foi confirmado. Saldo: R$ {more}. Protocolo {ref}.",
        "sua consulta é amanhã às {hour}h. Responda SIM para confirmar ou NÃO para desmarcar.",
    ],
    "ar": [
        "تم إيداع {money} جنيه في حسابك {account}. الرصيد المتاح {more} جنيه.",
        "موعدك يوم {day} الساعة {hour}:00 مؤكد. للإلغاء اتصل على {phone}.",
    ],
    "ru": [
        "ваш заказ {ref} доставят сегодня с {hour}:00 до {later}:00. Код получения {pin}.",
        "на счёт {account} зачислено {money} тг. Доступно {more} тг.",
    ],
}
CLOSINGS = {"en": ["", "", " Thank you.", " Reply STOP to opt out."], "fr": ["", " Merci."], "de": ["", " Danke!"]}

BAD_NUMBERS: list[Callable[[random.Random], str]] = [
    lambda r: f"+234803{r.randrange(1000)}",
    lambda r: f"0803{r.randrange(10**7):07}",
    lambda r: f"+44 7{r.randrange(10**5):05}",
    lambda r: "unknown",
    lambda r: f"+999{r.randrange(10**9):09}",
    lambda r: f"+1 555 {r.randrange(1000):03}",
]


def number(r: random.Random, country: str) -> str:
    """Return a plausible mobile number: in a range in use, the other digits random."""
    # with the leading zero that a country may have (CI)
    mobile = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    assert mobile is not None
    example = phonenumbers.national_significant_number(mobile)
    while True:
        digits = example[:3] + "".join(r.choice("0123456789") for _ in example[3:])
        found = phonenumbers.parse(digits, country)
        if phonenumbers.is_valid_number_for_region(found, country) and phonenumbers.number_type(found) in MOBILE:
            break
    style = phonenumbers.PhoneNumberFormat.INTERNATIONAL if r.random() < 0.1 else phonenumbers.PhoneNumberFormat.E164
    return phonenumbers.format_number(found, style)


def words(r: random.Random) -> dict[str, str]:
    """Return values for all merge fields of the texts."""
    months = calendar.month_name[1:]
    hour, day = r.randrange(8, 17), r.randrange(1, 29)
    return {
        "month_en": r.choice(months),
        "money": f"{r.randrange(500, 90_000)}.{r.randrange(100):02}",
        "more": f"{r.randrange(90_000, 900_000)}.{r.randrange(100):02}",
        "account": f"**{r.randrange(1000, 9999)}",
        "ref": f"{r.choice('ABCDEFGHJKLMNP')}{r.randrange(10**6, 10**7)}",
        "hour": str(hour),
        "later": str(hour + 2),
        "count": r.choice(["first", "second", "yearly"]),
        "day": f"{day:02}.{r.randrange(1, 13):02}.",
        "day_en": f"{day} {r.choice(months)[:3]}",
        "phone": f"0800 {r.randrange(100, 999)} {r.randrange(1000, 9999)}",
        "token": " ".join(f"{r.randrange(1000, 9999)}" for _ in range(5)),
        "units": str(r.randrange(20, 400)),
        "minutes": str(r.randrange(2, 15)),
        "plate": f"K{r.choice('ABCD')}{r.choice('ABCDEFGH')} {r.randrange(100, 999)}{r.choice('ABCDEFGH')}",
        "pin": f"{r.randrange(1000, 9999)}",
        "people": str(r.randrange(2, 9)),
    }


def row(r: random.Random, n: int) -> list[str]:
    """Return one row of the file."""
    country = r.choices(list(COUNTRIES), [share for share, _ in COUNTRIES.values()])[0]
    language = COUNTRIES[country][1]
    to = r.choice(BAD_NUMBERS)(r) if r.random() < 0.012 else number(r, country)
    payload = r.choice(PAYLOAD[language]).format(**words(r))
    closing = r.choice(CLOSINGS.get(language.partition("-")[0], [""]))
    return [to, f"demo-{n:04}", GREETINGS[language], r.choice(NAMES[language].split()), payload, closing]


def main() -> None:
    """Write the file."""
    r = random.Random(2026)
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["to", "correlation_id", "greeting", "name", "news", "closing"])
        lines.writerows(row(r, n) for n in range(1, ROWS + 1))


if __name__ == "__main__":
    main()
