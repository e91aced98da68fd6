// Writes the words into which the three pre-tokenizers cut generated texts:
// node generate.js > split.txt
// A line is the text as JSON, and for each pre-tokenizer the words' lengths in
// bytes of UTF-8.
'use strict';

// tokenizer.json's patterns. In JavaScript \s has U+FEFF and not U+0085, and
// (?i:...) is unknown to older versions: a class for each letter is the same, with
// what the flags iu fold to it.
const fold = (word) => "'" + [...word].map((c) => {
  const same = [];
  for (let i = 0; i < 0x3000; i++) {
    if (new RegExp('^' + c + '$', 'iu').test(String.fromCodePoint(i))) same.push('\\u{' + i.toString(16) + '}');
  }
  return '[' + same.join('') + ']';
}).join('');
const S = '\\p{White_Space}';
const contractions = ['s', 't', 're', 've', 'm', 'll', 'd'].map(fold).join('|');
const word = (digits) => `(?:${contractions})|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^${S}\\p{L}\\p{N}]+[\\r\\n]*|${S}*[\\r\\n]+|${S}+(?!\\P{White_Space})|${S}+`;
const patterns = [
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${S}\\p{L}\\p{N}]+|${S}+(?!\\P{White_Space})|${S}+`, // gpt-2
  word('{1,3}'), // llama-bpe
  word(''), // qwen2
].map((p) => new RegExp(p, 'gu'));

// A generator that is the same everywhere (mulberry32).
let seed = 20261123;
const random = (n) => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % n;
};

const common = [..." \t\n\r'abstrvelmdSTREVLMD019.,!?-_\"", ' ', ' ', ' ', '\r\n', "'s", "'LL", ' \n', '  '];
const rare = [..."\v\f\u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff\u017f\u212aéßǅʰªо你한あ½²Ⅷ٣०𝟘①\u0301\u20dd😀👍🏽€±«》\u0000\u007f\u00ad𐐀𝒳𠮷ﬆ\ufffd\ue000"];
const texts = ["it'ſ we'RE 'Tis", 'a  b', '   ', '\n\n  x', ' \n \n y', '1234567', 'x\u00a0 y', "''s", " 's", '!\r\n\r\nx', '\ta \t1 \t!'];
while (texts.length < 900) {
  let text = '';
  for (let n = 1 + random(14); n > 0; n--) text += random(4) ? common[random(common.length)] : rare[random(rare.length)];
  texts.push(text);
}
for (const text of texts) {
  const words = patterns.map((p) => text.match(p).map((w) => Buffer.byteLength(w)).join(','));
  console.log([JSON.stringify(text), ...words].join('\t'));
}
