// Makes segments.json: hostile bodies as Twilio's own calculator sees them.
//   npm install sms-segments-calculator@1.3.0 && node make_segments.mjs > segments.json
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "here.js"));
const { SegmentedMessage } = require("sms-segments-calculator");

const left = { out: 0 };
const cases = new Map();

function add(body) {
  const twilio = new SegmentedMessage(body);
  const clustered = twilio.graphemes.some((grapheme) => [...grapheme].length > 1);
  if (clustered && twilio.segmentsCount > 1) {
    left.out += 1;
    return;
  }
  cases.set(body, [body, twilio.encodingName === "GSM-7" ? "GSM7" : "UCS2", twilio.segmentsCount]);
}

// a small seeded generator (mulberry32), so that the file can be made again
let state = 0x5eed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

// what the vendors' own pages send
[
  "Account Statement for the month of July has been generated. Please login to your account to view.",
  "Hello ${firstname},/nyour ${count} service is due by ${date}. Contact us on ${phone} to schedule an appointment.",
  "Hello user,/nyour first service is due by 15th Jan, 2025. Contact us on +447709873XXX to schedule an appointment.",
  "Hello Mark,\nyour second service is due by 20th Jan, 2025. Contact us on +447709873XXX to schedule an appointment.",
  "Your verification code is $$CODE$$",
  "Your verification code is 123456",
  "$$CODE$$ to pay $$AMOUNT$$ to $$PAYEE$$",
  "Recipient phone number in E.164 format (+ followed by 8–15 digits).",
  "Sender ID — alphanumeric, ≤ 11 characters. Must be registered in your project.",
].forEach(add);

// every ASCII character, every one of Latin-1, and the neighbours of what GSM-7 borrows from Greek
["", " ", "\r\n", "\n", "\f", "\t", "\0", "\x1b", "\x7f", "\ud800", "\udc00", "\ud800a", "a\udc00", "\udc00\ud800"].forEach(add);
for (let code = 0; code < 0x100; code += 1) add(String.fromCharCode(code).repeat(code < 0x80 ? 81 : 71));
for (const char of "ΓΔΘΛΞΠΣΦΨΩΑΒγδςσÇçĐđ€₤£‘’“”–—…´`′•\u00a0\u00ad\u200b\u2028\ufeff\uffff") add(char.repeat(77));

// one more and one less than what fits
const around = [0, 1, 2, 3].flatMap((n) => [69, 70, 71, 67 * n, 67 * n + 1, 160, 161, 153 * n, 153 * n + 1, 153 * n - 1]);
for (const length of new Set(around.filter((n) => n > 0))) {
  for (const char of ["a", "à", "@", "Ж", "漢"]) add(char.repeat(length));
}

// what travels as two, on and beside each edge
for (const edge of [70, 67, 134, 160, 153, 306]) {
  for (const shift of [-2, -1, 0, 1]) {
    const before = "x".repeat(edge + shift);
    add(before + "€");
    add(before + "€" + "y".repeat(160));
    add(before + "😀");
    add(before + "😀" + "y".repeat(70));
  }
}
for (const char of ["€", "[", "^", "\f", "😀", "𐍈", "a€", "a😀", "€a", "😀a", "\r\n", "ab\r\n"]) {
  for (const times of [33, 34, 35, 36, 67, 76, 77, 80, 81, 153, 154, 160, 161]) add(char.repeat(times));
}

// where graphemes and code points part ways, but one part holds it all
["e\u0301", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "นี่คือ", "नमस्ते", "각", "❤️", "1️⃣", "a\u0301b", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\u0301"].forEach(add);

// mixtures of everything, of every length
const sets = [
  [..."abcdefghij 0123456789.,"],
  [..."ab €[]{}^~|\\\f"],
  [..."aàèéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ@£$¥€\n\r"],
  [..."abc абвгд 漢字 مرحبا"],
  [..."ab😀🎉𐍈漢"],
  [..."ab😀", "\ud800", "\udc00", "\udbff", "\udfff"],
  [..."a€`ab^ ç"],
  ["a", "b", " ", "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "e\u0301", "नि"],
];
for (let n = 0; n < 400; n += 1) {
  const set = sets[n % sets.length];
  add(Array.from({ length: 1 + below(pick([20, 40, 80, 170, 340])) }, () => pick(set)).join(""));
}
for (const set of sets.slice(0, 5)) add(Array.from({ length: 1600 }, () => pick(set)).join(""));

const header = {
  source: "npm sms-segments-calculator 1.3.0 (Twilio, MIT), encoding auto, no smart encoding",
  made_by: "tests/golden/make_segments.mjs; strings from a seeded generator, so it makes the same file again",
  left_out:
    `${left.out} bodies of more than one part that hold a grapheme of several code points (ZWJ emoji, flags, combining ` +
    "marks): Twilio moves those whole to the next part, the standard and Postroad do not",
  cases: "[body, encoding, segments]; lone surrogates are among them, escaped",
};
const escaped = (char) => [...Array(char.length).keys()].map((n) => "\\u" + char.charCodeAt(n).toString(16).padStart(4, "0"));
const unseen = /(?! )[\p{C}\p{M}\p{Z}]/gu;
const line = (row) => JSON.stringify(row).replace(unseen, (char) => escaped(char).join(""));
const rows = [...cases.values()].map((row) => "  " + line(row));
process.stdout.write(`{\n"header": ${JSON.stringify(header, null, 2)},\n"cases": [\n${rows.join(",\n")}\n]\n}\n`);
