// The page in the visitor's language: words, numbers and times, as the browser asks for them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, openTab, photograph, polled, scene, shown, STANDING_STILL, until } from './support.mjs';

const CASES = [
  { locale: 'de-AT', lang: 'de', dir: 'ltr', people: 'Person vor Ihnen', title: /^Noch 1 vor Ihnen – / },
  { locale: 'pt-BR', lang: 'pt', dir: 'ltr', people: 'pessoa à sua frente', title: /^1 à sua frente – / },
  { locale: 'ar-EG', lang: 'ar', dir: 'rtl', people: 'شخص أمامك', title: /^أمامك 1 – / },
  { locale: 'zh-TW', lang: 'zh-Hant', dir: 'ltr', people: '人排在您前面', title: /^前面還有 1 人 – / },
  { locale: 'sv-SE', lang: 'en', dir: 'ltr', people: 'person ahead of you', title: /^1 ahead – / },
];

test('words, direction, plural and title are those of the language, also after the polls', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  let before = 1;
  for (const { locale, lang, dir, people, title } of CASES) {
    const tab = await openTab(t, await openBrowser(t, { locale }));
    const answer = await tab.goto(`${gate.url}/tickets`);
    assert.equal(answer.headers()['content-language'], lang);
    assert.match(answer.headers().vary, /Accept-Language/);
    const html = tab.locator('html');
    assert.deepEqual([await html.getAttribute('lang'), await html.getAttribute('dir')], [lang, dir]);
    await polled(tab, (status) => status.position === before + 1, 'a position');
    await until('the clock of the last answer', () => tab.locator('#checked').innerText());
    if (before === 1) {
      await shown(tab, people);
      assert.match(await tab.title(), title);
    }
    await photograph(tab, `spoken-${lang}`);
    // One more person in front of the next one would need another plural.
    await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
    await until('everybody is in', async () => (await tab.title()) === 'Shop', 60_000);
    await gate.configure(STANDING_STILL);
    before = 1;
    await gate.crowd(1);
  }
});

test('times are written as the language writes them', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  for (const [locale, clock] of [['de-DE', /^\d{1,2}:\d\d:\d\d$/], ['en-US', /^\d{1,2}:\d\d:\d\d\s[AP]M$/], ['ar-EG', /^\d{1,2}:\d\d:\d\d\s[صم]$/]]) {
    const tab = await openTab(t, await openBrowser(t, { locale }));
    await tab.goto(`${gate.url}/tickets`);
    await until('the clock', () => tab.locator('#checked').innerText());
    assert.match(await tab.locator('#checked').innerText(), clock, locale);
  }
});
